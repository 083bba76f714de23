// Package disk finds out how a disk is to be read: how many reads in flight. An NVMe disk gives its full speed with several at once, a hard
// disk with one.
//
//	key, err := disk.Key(path)           // which disk is it?
//	s, err := disk.Measure(ctx, file, size, record) // what does it give?
//	r := s.Reads(record)                 // how are records of that length read from it?
//
// Nothing is written, and the file is to be one whose reads go past the page cache, as [st/format.Reader.Direct] opens it.
package disk
