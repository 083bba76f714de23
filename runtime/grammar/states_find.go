package grammar

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// frameOf returns the frame of a call with these returns, in any order.
func (a *table) frameOf(returns []item) int32 {
	slices.SortFunc(returns, compareItems)
	returns = slices.Compact(returns)
	if len(returns) == 1 && returns[0] == (item{finalState, bottom}) {
		return bottom
	}
	a.key = appendItems(a.key[:0], returns)
	id, ok := a.frameIndex[string(a.key)]
	if !ok {
		d := int32(far)
		for _, r := range returns {
			d = min(d, sum(a.distance(r.state), a.frames[r.frame].distance))
		}
		id = int32(len(a.frames))
		a.frames = append(a.frames, frame{slices.Clone(returns), d})
		a.frameIndex[string(a.key)] = id
		a.items += len(returns)
	}
	return id
}

// intern returns the config of sorted items.
func (a *table) intern(items []item, exit bool) int32 {
	a.key = appendItems(a.key[:0], items)
	if exit {
		a.key = append(a.key, 1)
	}
	if id, ok := a.configIndex[string(a.key)]; ok {
		return id
	}
	if len(a.configs) >= a.limit {
		a.fail(fmt.Errorf("%w: more than %d states for one token", ErrTooComplex, maxNewConfigs))
		return dead
	}
	c := &config{items: slices.Clone(items), exit: exit}
	for _, it := range items {
		kind := a.program.states[it.state].kind
		c.tokens, c.opens = c.tokens || kind == kindToken, c.opens || kind == kindDistinct || kind == kindKey
	}
	id := int32(len(a.configs))
	a.configs = append(a.configs, c)
	a.next = append(a.next, a.unknown...)
	a.exits, a.opens = append(a.exits, exit), append(a.opens, c.opens)
	a.configIndex[string(a.key)] = id
	a.items += len(items)
	return id
}

func appendItems(key []byte, items []item) []byte {
	for _, it := range items {
		key = binary.LittleEndian.AppendUint32(key, uint32(it.state))
		key = binary.LittleEndian.AppendUint32(key, uint32(it.frame))
	}
	return key
}
