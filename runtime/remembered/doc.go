// Package remembered keeps what was measured once, such as the number of threads that is fastest for a model or the way that a disk is to be read,
// and what runs have counted, such as the experts that a model uses, in a directory of small files.
//
//	c := remembered.Cache[int]{Dir: dir, Key: machine + model}
//	n, ok := c.Load()
//	if !ok {
//		n = measure()
//		err = c.Keep(100, n) // and 99 others
//	}
//
// [Cache.Keep] bounds how many values there are, and so does [Cache.Update], for what every run adds to.
//
// A key says all that the value depends on; what was measured under another key is not found. A file that is damaged, or of another version, is as
// none. Any number of processes may use one directory.
package remembered
