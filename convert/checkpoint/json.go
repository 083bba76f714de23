package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Headers and indexes are JSON objects whose keys come from strangers. They are walked token by token, because
// json.Unmarshal keeps the last of two equal keys and says nothing.

// parseObject walks the object that is all of data.
func parseObject(data []byte, visit func(dec *json.Decoder, key string) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := eachKey(dec, math.MaxInt, visit); err != nil { // visit counts
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more text follows the JSON object")
	}
	return nil
}

// maxFields is the most keys of the objects within a header or an index, of which there are three in each tensor's.
const maxFields = 4096

// eachKey reads an object of at most max keys from dec and calls visit for each; visit must consume the value.
func eachKey(dec *json.Decoder, max int, visit func(dec *json.Decoder, key string) error) error {
	if err := expectDelim(dec, '{'); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return notJSON(err)
		}
		key := tok.(string) // the decoder accepts nothing else here
		if seen[key] {
			return fmt.Errorf("%s appears twice", quote(key))
		}
		if seen[key] = true; len(seen) > max {
			return fmt.Errorf("more than %d keys", max)
		}
		if err := visit(dec, key); err != nil {
			return err
		}
	}
	return expectDelim(dec, '}')
}

// eachKeyOrNull is eachKey for an object that may be null.
func eachKeyOrNull(dec *json.Decoder, visit func(dec *json.Decoder, key string) error) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return notJSON(err)
	}
	if string(raw) == "null" {
		return nil
	}
	inner := json.NewDecoder(bytes.NewReader(raw))
	inner.UseNumber()
	return eachKey(inner, maxFields, visit)
}

// tooMany is the error of a file that names n tensors or more.
func tooMany(n, max int) error {
	return fmt.Errorf("%w: it names %d or more, and %d at most are expected", ErrTooMany, n, max)
}

// kindOf returns the kind of an error about the text of a header or an index.
func kindOf(err error) error {
	if errors.Is(err, ErrTooMany) {
		return ErrTooMany
	}
	return ErrMalformed
}

// readString reads a string value.
func readString(dec *json.Decoder) (string, error) {
	tok, err := dec.Token()
	if err != nil {
		return "", notJSON(err)
	}
	s, ok := tok.(string)
	if !ok {
		return "", errors.New("not a string")
	}
	return s, nil
}

// readCounts reads an array of integers ≥ 0, no more than a tensor may have dimensions.
func readCounts(dec *json.Decoder) ([]int64, error) {
	if err := expectDelim(dec, '['); err != nil {
		return nil, err
	}
	var counts []int64
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		num, ok := tok.(json.Number)
		if !ok {
			return nil, errors.New("not a list of integers")
		}
		n, err := strconv.ParseUint(num.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s is not an integer from 0 to 2⁶³−1", quote(num.String()))
		}
		if counts = append(counts, int64(n)); len(counts) > maxDims {
			return nil, fmt.Errorf("more than %d numbers", maxDims)
		}
	}
	return counts, expectDelim(dec, ']')
}

// skipValue reads a value of any kind.
func skipValue(dec *json.Decoder) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return notJSON(err)
	}
	return nil
}

func expectDelim(dec *json.Decoder, want json.Delim) error {
	tok, err := dec.Token()
	if err != nil {
		return notJSON(err)
	}
	if tok != want {
		return fmt.Errorf("no %q where one belongs", want.String())
	}
	return nil
}

func notJSON(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("not JSON (%s)", oneLine(err))
}
