//go:build !linux || !(amd64 || arm64)

package uring

// Ring is not available here.
type Ring struct{}

// New returns ErrUnsupported.
func New(int) (*Ring, error) { return nil, ErrUnsupported }

// There is no Ring to call these of.

func (r *Ring) Read(int, []byte, int64, uint64) bool              { return false }
func (r *Ring) Submit() error                                     { return ErrUnsupported }
func (r *Ring) Stop(func(id uint64))                              {}
func (r *Ring) Ready() bool                                       { return false }
func (r *Ring) Completions(func(id uint64, n int, err error)) int { return 0 }
func (r *Ring) Wait() error                                       { return ErrUnsupported }
func (r *Ring) Wake()                                             {}
func (r *Ring) InFlight() int                                     { return 0 }
func (r *Ring) Close() error                                      { return nil }
