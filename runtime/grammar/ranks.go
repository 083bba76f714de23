package grammar

// ranked is a rule that is called.
type ranked struct{ rank, rule int32 }

// ranks is a heap, the least rank first.
type ranks []ranked

func (h *ranks) push(r ranked) {
	s := append(*h, r)
	for i := len(s) - 1; i > 0 && s[i].rank < s[(i-1)/2].rank; i = (i - 1) / 2 {
		s[i], s[(i-1)/2] = s[(i-1)/2], s[i]
	}
	*h = s
}

func (h *ranks) pop() ranked {
	s := *h
	top, n := s[0], len(s)-1
	s[0] = s[n]
	s = s[:n]
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < n && s[child+1].rank < s[child].rank {
			child++
		}
		if child >= n || s[i].rank <= s[child].rank {
			break
		}
		s[i], s[child] = s[child], s[i]
		i = child
	}
	*h = s
	return top
}
