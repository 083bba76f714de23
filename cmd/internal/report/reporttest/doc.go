// Package reporttest writes .stm files of random weights, of any architecture that a format.Config can describe, for tests of reports.
// They are laid out as convert does it: without the model's arithmetic, which reports do not need.
//
//	r, err := format.Open(reporttest.Write(t, reporttest.Mixed()))
package reporttest
