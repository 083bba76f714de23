// Package threadcache remembers which number of threads was fastest for a model on a machine, in a directory of small files.
//
//	c := threadcache.Cache{Dir: dir, Key: machine + model}
//	n, ok := c.Load(candidates)
//	if !ok {
//		n = measure(candidates)
//		err = c.Save(n)
//	}
//
// A key says all that the number depends on; what was measured under another key is not found. A file that is damaged, or of another version, is as
// none. Any number of processes may use one directory.
package threadcache
