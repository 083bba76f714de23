package hubtest

import (
	"math/rand/v2"
	"net/http"
	"sync"
)

// Request is one that a fault may happen to.
type Request struct {
	*http.Request
	Storage bool   // it goes to the storage
	Path    string // of the file in its repository; "": it is for something else
	Bytes   int64  // that would be sent
}

// Fault is what goes wrong with a request. The zero value is nothing.
type Fault struct {
	Status     int    // in place of the answer
	RetryAfter string // header of it
	Whole      bool   // Range is ignored
	Cut        int64  // bytes after which the connection breaks, if it is more than 0; -1: before the first
	Stall      int64  // bytes after which nothing comes, if it is more than 0; -1: before the first
	Flip       bool   // one bit of what is sent is another
}

// Random returns faults that happen to some of the requests, at most limit of them: broken connections, stalls, errors of servers, refusals of
// addresses that were signed too long ago, Ranges that are ignored, and, if flips, wrong bytes.
func Random(seed uint64, share float64, limit int, flips bool) func(Request) Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 11))
	return func(r Request) Fault {
		mu.Lock()
		defer mu.Unlock()
		if limit == 0 || rng.Float64() >= share {
			return Fault{}
		}
		limit--
		after := int64(-1)
		if r.Bytes > 1 && rng.IntN(4) > 0 {
			after = 1 + rng.Int64N(r.Bytes)
		}
		kinds := []int{0, 1, 2, 3, 4, 5, 6, 7}
		if r.Storage {
			kinds = append(kinds, 8, 9, 10)
		}
		if flips && r.Bytes > 0 && r.Method == http.MethodGet {
			kinds = append(kinds, 11, 12)
		}
		switch kinds[rng.IntN(len(kinds))] {
		case 0:
			return Fault{Status: http.StatusTooManyRequests, RetryAfter: "0"}
		case 1:
			return Fault{Status: http.StatusTooManyRequests, RetryAfter: "Wed, 21 Oct 1998 07:28:00 GMT"}
		case 2:
			return Fault{Status: http.StatusInternalServerError}
		case 3:
			return Fault{Status: http.StatusServiceUnavailable, RetryAfter: "0.001"}
		case 4, 5:
			return Fault{Cut: after}
		case 6:
			return Fault{Stall: after}
		case 7:
			return Fault{Status: http.StatusBadGateway}
		case 8:
			return Fault{Status: http.StatusForbidden}
		case 9:
			return Fault{Whole: true}
		case 10:
			return Fault{Status: http.StatusRequestedRangeNotSatisfiable}
		default:
			return Fault{Flip: true}
		}
	}
}
