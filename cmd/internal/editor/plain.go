package editor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
)

// ErrLineCut is returned where the terminal edits lines itself and the line is as long as it lets them become: what followed was dropped without a sign.
var ErrLineCut = errors.New(`the terminal drops what a line has after 4,095 bytes, so this one is not sent: enter it as several lines between """`)

const longestLine = 4095 // of Linux

// readPlain reads a message from a terminal that edits lines itself.
func (e *Editor) readPlain(ctx context.Context, prompt string, history *History) (string, error) {
	var lines []string
	for {
		io.WriteString(e.o.Out, prompt)
		line, err := e.readLine(ctx)
		if err != nil {
			io.WriteString(e.o.Out, "\n")
			return "", err
		}
		if len(line) >= longestLine {
			return "", ErrLineCut
		}
		lines = append(lines, line)
		text := strings.Join(lines, "\n")
		message, ok := messageOf(text)
		if ok {
			history.Add(text)
			return message, nil
		}
		lines[len(lines)-1] = strings.TrimSuffix(line, `\`)
		prompt = more(prompt)
	}
}

// readLine returns the next line of what the terminal sends.
func (e *Editor) readLine(ctx context.Context) (string, error) {
	for {
		if line, rest, ok := bytes.Cut(e.rest, []byte("\n")); ok {
			e.rest = rest
			return strings.TrimSuffix(clean(line), "\n"), nil
		}
		select {
		case chunk, ok := <-e.chunks:
			if ok {
				e.rest = append(e.rest, chunk...)
				continue
			}
			line := e.rest
			e.rest = nil
			if len(line) == 0 {
				return "", io.EOF
			}
			return clean(line), nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
