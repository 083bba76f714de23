package plaintext

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// ErrNotText says that bytes are no text.
var ErrNotText = errors.New("it is not a text")

// marks are byte order marks. That of UTF-32 begins as that of UTF-16 does.
var marks = []struct {
	name, mark string
	encoding   encoding.Encoding
}{
	{"UTF-32", "\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"UTF-32", "\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"UTF-16", "\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"UTF-16", "\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
}

// Decode returns a text in UTF-8, which may be a part of data. The error wraps [ErrNotText] and says what is wrong: no character of a text is zero.
func Decode(data []byte) ([]byte, error) {
	for _, m := range marks {
		if rest, ok := bytes.CutPrefix(data, []byte(m.mark)); ok {
			text, err := decode(rest, m.encoding)
			if err != nil {
				return nil, fmt.Errorf("%w: it begins as %s does, and is not", ErrNotText, m.name)
			}
			return text, nil
		}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: it holds zero bytes; UTF-16 must begin with a byte order mark", ErrNotText)
	}
	return data, nil
}

var errNotUTF8 = fmt.Errorf("%w: it holds bytes that are not UTF-8", ErrNotText)

// Check refuses what is no text in UTF-8, such as an argument of a command that was typed at a terminal of another encoding. The error wraps
// [ErrNotText].
func Check(text string) error {
	if !utf8.ValidString(text) {
		return errNotUTF8
	}
	return nil
}

// decode decodes a text, which must be what its decoded text is encoded as: decoders replace what is not valid.
func decode(data []byte, e encoding.Encoding) ([]byte, error) {
	text, err := e.NewDecoder().Bytes(data)
	if err != nil {
		return nil, err
	}
	again, err := e.NewEncoder().Bytes(text)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) || bytes.IndexByte(text, 0) >= 0 {
		return nil, ErrNotText
	}
	return text, nil
}
