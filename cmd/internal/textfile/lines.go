package textfile

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"st/format/plaintext"
)

// Lines returns the lines of a text without their ends, each as soon as it has come, so that the program that writes them can wait for an answer. A
// text in UTF-16 or UTF-32 is read whole before its first line. Zero bytes are a part of a line, as lines may be data. An error, which names what is
// read, ends the lines.
func Lines(ctx context.Context, r io.Reader, name string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		in := bufio.NewReader(r)
		for n := 1; ; n++ {
			line, err := Wait(ctx, func() (string, error) {
				if n == 1 {
					if err := unmark(in); err != nil {
						return "", err
					}
				}
				line, err := in.ReadString('\n')
				if e := plaintext.Check(line); e != nil {
					return "", fmt.Errorf("line %d: %w", n, e)
				}
				return line, err
			})
			if err != nil && err != io.EOF {
				yield("", fmt.Errorf("%s: %w", name, err))
				return
			}
			if line == "" || !yield(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil) {
				return
			}
		}
	}
}

// unmark takes away the byte order mark with which a text begins, and decodes a text that begins as no UTF-8 does. It waits for a byte only while
// those before it may begin a mark.
func unmark(in *bufio.Reader) error {
	if _, err := in.Peek(1); err != nil {
		return err // a terminal's end is not to be asked for again
	}
	begins := func(mark string) bool {
		for n := range len(mark) {
			if first, _ := in.Peek(n + 1); string(first) != mark[:n+1] {
				return false
			}
		}
		return true
	}
	switch {
	case begins("\xef\xbb\xbf"):
		_, err := in.Discard(3)
		return err
	case begins("\xff"), begins("\xfe"), begins("\x00\x00\xfe\xff"):
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		text, err := plaintext.Decode(data)
		in.Reset(bytes.NewReader(text))
		return err
	}
	return nil
}
