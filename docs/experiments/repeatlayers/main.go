// Command repeatlayers writes a model file with more layers than a given one has: its layers, one round after the other. What it computes is of no
// use, but it costs what a model of that depth costs, and every layer has the statistics of one that was fitted. The whole 21B shape comes from
// 12 layers in a minute and takes 12 GB of disk, where its checkpoint takes 42 GB more.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"st/format"
)

func main() {
	layers := flag.Int("layers", 0, "layers of the file that is written")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: repeatlayers -layers N FROM.stm TO.stm")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || *layers < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := repeat(flag.Arg(0), flag.Arg(1), *layers); err != nil {
		fmt.Fprintln(os.Stderr, "repeatlayers:", err)
		os.Exit(1)
	}
}

func repeat(from, to string, layers int) (err error) {
	r, err := format.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	config := r.Config
	if config.Architecture != "smallthinker" {
		return fmt.Errorf("%s: layers of %s may have settings of their own, which are not repeated: give a SmallThinker model", from, config.Architecture)
	}
	config.Layers, config.RoPELayout, config.SlidingLayout = layers, nil, nil
	for layer := range layers {
		config.RoPELayout = append(config.RoPELayout, r.Config.RoPELayout[layer%r.Config.Layers])
		config.SlidingLayout = append(config.SlidingLayout, r.Config.SlidingLayout[layer%r.Config.Layers])
	}

	records, sources := repeated(r.Records(), r.Config.Layers, layers)
	meta := r.Meta
	meta.Config = config
	w, err := format.Create(to, meta, records, format.CreateOptions{Inputs: []string{from}})
	if err != nil {
		return err
	}
	defer w.Abort()
	var data []byte
	for _, record := range sources {
		if int64(cap(data)) < record.Length {
			data = make([]byte, record.Length)
		}
		data = data[:record.Length]
		if err := r.ReadRecord(record, data); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return w.Commit(format.Provenance{Tool: "repeatlayers"})
}

// repeated returns the records of a file with that many layers, in the order of a file (the dense part, then the experts), and which records of the
// given ones, of a file with old layers, they are copies of.
func repeated(given []format.Record, old, layers int) (records []format.Record, sources []*format.Record) {
	add := func(layer int, experts bool) {
		from := layer
		if layer >= 0 {
			from = layer % old
		}
		for i := range given {
			source := &given[i]
			if source.Layer != from || source.IsExpert() != experts {
				continue
			}
			record := format.Record{Layer: layer, Expert: source.Expert}
			for _, tensor := range source.Tensors {
				tensor.Name = strings.Replace(tensor.Name, fmt.Sprintf("layers.%d.", from), fmt.Sprintf("layers.%d.", layer), 1)
				record.Tensors = append(record.Tensors, tensor)
			}
			records, sources = append(records, record), append(sources, source)
		}
	}
	add(-1, false)
	for _, experts := range []bool{false, true} {
		for layer := range layers {
			add(layer, experts)
		}
	}
	return records, sources
}
