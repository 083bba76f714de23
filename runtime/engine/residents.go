package engine

// Residents appends to dst, for each expert in the order of the file, whether it is in memory now. It appends nothing if there is no memory bound:
// then experts are in the mapped file, and which of its pages are in memory is the system's business.
func (e *Engine) Residents(dst []bool) []bool {
	s := e.streamed
	if s == nil {
		return dst
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.experts {
		dst = append(dst, s.experts[i].state == resident)
	}
	return dst
}

// present writes to held for each expert of a layer whether it is in memory or being read. Layers that have experts are counted from 0. It reports
// whether there may be others again and again: false where there is room for all experts, each of which is read once.
func (s *streamedStore) present(layer int, held []bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roomy() {
		return false
	}
	for i := range held {
		state := s.experts[s.id(layer, i)].state
		held[i] = state == resident || state == arrived || state == loading
	}
	return true
}
