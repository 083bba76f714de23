// Package disk finds out how a disk is to be read: how many reads in flight, and how large each. An NVMe disk gives its full speed with four or more
// reads of 512 KiB at once, a hard disk with one of several MiB.
//
//	key, err := disk.Key(path)           // which disk is it?
//	s, err := disk.Measure(ctx, file, size, record) // what does it give?
//	r := s.WholeReads(record)            // how are records of that length read from it?
//
// Nothing is written, and the file is to be one whose reads go past the page cache, as [st/format.Reader.Direct] opens it.
package disk
