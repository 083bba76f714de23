package runtime

import (
	"context"
	"fmt"
	goruntime "runtime"
	"sync"

	"st/format"
	"st/runtime/disk"
	"st/runtime/engine"
	"st/runtime/remembered"
)

// Reads tells how what is not in memory is read from the disk.
type Reads = disk.Reads

// learnDisk begins to find out how the disk of a file that is larger than the memory bound wants to be read, and returns a function that waits for that;
// nil: that is not known, and the default serves. The disk has nothing else to do meanwhile: the tokenizer is being built, and no weights are read.
func learnDisk(ctx context.Context, r *format.Reader, opts *Options, memory int64) func() *disk.Speeds {
	if opts.DiskCache == "" || memory == 0 || memory >= r.Size() || !disk.Measurable(r.Size()) {
		return func() *disk.Speeds { return nil }
	}
	learn := sync.OnceValue(func() *disk.Speeds { return diskSpeeds(ctx, r, opts.DiskCache) })
	go learn()
	return learn
}

// diskSpeeds returns what is remembered of a file's disk, or measures it. nil: it cannot be measured, or another process does so now.
func diskSpeeds(ctx context.Context, r *format.Reader, dir string) *disk.Speeds {
	c, ok := diskCache(r, dir)
	if !ok {
		return nil
	}
	if s, ok := loadDisk(c); ok {
		return s
	}
	f, direct, err := r.Direct()
	if err != nil {
		return nil // whoever reads weights says so
	}
	defer f.Close()
	if !direct {
		return nil // it would be the page cache that is measured
	}
	var s *disk.Speeds
	c.Alone(func() {
		if other, ok := loadDisk(c); ok { // it was measured meanwhile
			s = other
			return
		}
		if s, err = disk.Measure(ctx, f, r.Size(), engine.StreamedRecord(r)); err == nil {
			_ = c.Keep(maxMeasured, s) // what cannot be remembered is measured again
		}
	})
	return s
}

// RememberedDisk returns what is remembered of the disk of a file, in a directory as Options.DiskCache names it, and how the file's records are read from
// it. ok is false if nothing is.
func RememberedDisk(r *format.Reader, dir string) (reads Reads, ok bool) {
	c, ok := diskCache(r, dir)
	if !ok {
		return reads, false
	}
	s, ok := loadDisk(c)
	if !ok {
		return reads, false
	}
	return s.Reads(engine.StreamedRecord(r)), true
}

// diskCache returns where what is known of a file's disk is kept.
func diskCache(r *format.Reader, dir string) (c remembered.Cache[*disk.Speeds], ok bool) {
	key, err := disk.Key(r.Path())
	if err != nil {
		return c, false
	}
	key = fmt.Sprintf("%s %s/%s reads=%d", key, goruntime.GOOS, goruntime.GOARCH, disk.Size(engine.StreamedRecord(r)))
	return remembered.Cache[*disk.Speeds]{Dir: dir, Key: key, Patience: patience}, true
}

func loadDisk(c remembered.Cache[*disk.Speeds]) (*disk.Speeds, bool) {
	s, ok := c.Load()
	if !ok || s == nil || s.Check() != nil {
		return nil, false
	}
	s.Source = disk.Remembered
	return s, true
}
