package calibration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Write writes the statistics as a safetensors file: the length of the header, the header in JSON, which names every tensor,
// and the tensors.
func (s *Statistics) Write(w io.Writer) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	var header strings.Builder
	header.WriteString(`{"__metadata__":{"format":"pt","made_by":"st calibrate"}`)
	at := 0
	for _, name := range s.names {
		m := s.tensors[name]
		e := entry{"F32", []int{m.cols}, [2]int{at, at + 4*len(m.data)}}
		if m.rows > 1 {
			e.Shape = []int{m.rows, m.cols}
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&header, ",%q:%s", name, text)
		at += 4 * len(m.data)
	}
	header.WriteString("}")
	header.WriteString(strings.Repeat(" ", -header.Len()&7))
	out := binary.LittleEndian.AppendUint64(nil, uint64(header.Len()))
	out = append(out, header.String()...)
	for _, name := range s.names {
		for part := range slices.Chunk(s.tensors[name].data, 1<<16) {
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
			for _, v := range part {
				out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
			}
		}
	}
	_, err := w.Write(out)
	return err
}
