package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Headers and indexes are JSON objects whose keys come from strangers. They are walked token by token, because
// json.Unmarshal keeps the last of two equal keys and says nothing.

// parseObject walks the object that is all of data.
func parseObject(data []byte, visit func(dec *json.Decoder, key string) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := eachKey(dec, visit); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("more text follows the JSON object")
	}
	return nil
}

// eachKey reads an object from dec and calls visit for each key; visit must consume the value.
func eachKey(dec *json.Decoder, visit func(dec *json.Decoder, key string) error) error {
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
		seen[key] = true
		if err := visit(dec, key); err != nil {
			return err
		}
	}
	return expectDelim(dec, '}')
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

// readCounts reads an array of integers ≥ 0.
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
		counts = append(counts, int64(n))
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
