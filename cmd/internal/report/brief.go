package report

import (
	"st/format"
	"st/runtime/engine"
)

// Brief is what a list tells of a model. Available is 0 if it is not known.
type Brief struct {
	Architecture string `json:"architecture"`
	Type         string `json:"type"` // that most weights have
	Parameters   int64  `json:"parameters"`
	Context      int    `json:"context"` // that it was trained for
	Needed       int64  `json:"needed_bytes"`
	Smallest     int64  `json:"smallest_bytes"`
	Available    int64  `json:"-"`
	Fits         bool   `json:"fits"`
}

// ReadBrief reads the header of a file.
func ReadBrief(path string, opts Options) (*Brief, error) {
	r, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var f File
	f.addSizes(r)
	b := &Brief{Architecture: r.Config.Architecture, Parameters: f.Parameters.Total, Context: r.Config.Context}
	var most int64
	for _, t := range f.Types {
		if t.Parameters > most {
			b.Type, most = t.Type, t.Parameters
		}
	}
	other := engine.Options{Other: opts.other(r)}
	smallest, _ := engine.SmallestMemory(r, other)
	b.Smallest = engine.Enough(smallest)
	b.Needed = engine.Needed(r, other)
	b.Available, _ = AvailableMemory()
	b.Fits = b.Available >= b.Needed
	return b, nil
}

// AvailableMemory returns the memory that a model can have here, and where the number comes from; 0 if it is not known.
func AvailableMemory() (bytes int64, from string) { return engine.AllowedMemory() }
