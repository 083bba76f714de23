// Package pagecache keeps a file's pages large in the operating system's page cache.
//
// A mapped file is read through the processor's page tables. Where its pages lie in memory in pieces of 2 MiB, Linux maps each piece by one
// entry (FilePmdMapped in /proc/self/smaps), and reading it is up to twice as fast as by 512 entries of 4 KiB, most of all on virtual
// machines, where a missing entry is looked up through two tables. A file gets large pieces when it is read in order after it was not in
// memory; a file that was just written, or read here and there, has small ones, which stay until they leave memory.
//
//	pagecache.Prefer(mapped)                      // faults bring large pieces
//	if _, large, ok := pagecache.Share(mapped); ok && large < 0.75 {
//		err := pagecache.Forget(f, 0, size)       // small pieces leave memory
//		err = pagecache.Read(ctx, f, 0, size)     // large ones come
//	}
//
// Where a file system has small pieces alone, [Replace] puts a copy in large ones into the place of the mapping. It is the only function that
// takes memory.
//
// All of it is advice. On other systems than Linux the functions do nothing and say so.
package pagecache
