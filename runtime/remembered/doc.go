// Package remembered keeps what was measured once, such as the number of threads that is fastest for a model or the way that a disk is to be read,
// and what runs have counted, such as the experts that a model uses, in a directory of small files.
//
//	c := remembered.Cache[int]{Dir: dir, Key: machine + model}
//	n, ok := c.Load()
//	if !ok {
//		n = measure()
//		err = c.Save(n)
//	}
//
// What every run adds to is kept by [Cache.Update], which also bounds how many values there are.
//
// A key says all that the value depends on; what was measured under another key is not found. A file that is damaged, or of another version, is as
// none. Any number of processes may use one directory.
package remembered
