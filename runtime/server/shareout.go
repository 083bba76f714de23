package server

import (
	"slices"
	"time"
)

// claimant is a model that shares the memory with others.
type claimant struct {
	// least is what it cannot do without. With enough all of its weights stay, and sequences of usual length have room. most is what it can use: sequences as
	// long as the context have room, too.
	least, enough, most int64
	used                bool
	lastUsed            time.Time
}

// shareOut divides memory among models: each gets what it cannot do without. Then they get up to what is enough, and after that up to what they can use.
func shareOut(memory int64, all []claimant) []int64 {
	shares := make([]int64, len(all))
	for i, c := range all {
		shares[i] = c.least
		memory -= c.least
	}
	memory -= raise(shares, memory, all, func(c claimant) int64 { return min(c.enough, c.most) })
	raise(shares, memory, all, func(c claimant) int64 { return c.most })
	return shares
}

// raise raises shares up to a goal while there is memory, and returns how much it gave: to models that are used in proportion to what they lack, and what
// they leave to the others, the one used last first.
func raise(shares []int64, memory int64, all []claimant, goal func(c claimant) int64) (given int64) {
	memory = max(0, memory)
	lacks := make([]int64, len(all))
	lacking := int64(0) // what those that are used lack together
	var idle []int
	for i, c := range all {
		lacks[i] = max(0, goal(c)-shares[i])
		if c.used {
			lacking += lacks[i]
		} else {
			idle = append(idle, i)
		}
	}
	give := func(i int, bytes int64) {
		shares[i] += bytes
		given += bytes
	}
	if lacking > 0 {
		part := min(1, float64(memory)/float64(lacking))
		for i, c := range all {
			if c.used {
				give(i, int64(part*float64(lacks[i])))
			}
		}
	}
	slices.SortStableFunc(idle, func(a, b int) int { return all[b].lastUsed.Compare(all[a].lastUsed) })
	for _, i := range idle {
		give(i, min(lacks[i], max(0, memory-given)))
	}
	return given
}
