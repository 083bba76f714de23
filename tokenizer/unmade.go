package tokenizer

import "unicode/utf8"

// Unmade returns the ids of the tokens of several characters, or bytes, that no
// merge makes and that are not added: text never becomes one of them. Most
// vocabularies have none. Many tell that the end of the merges is missing.
func (t *Tokenizer) Unmade() (ids []int32) {
	made := make([]bool, len(t.model))
	for _, m := range t.merges {
		made[m.result] = true
	}
	for _, a := range t.added {
		if int(a.ID) < len(made) {
			made[a.ID] = true
		}
	}
	for id, text := range t.model {
		single := len(text) <= 1 || !t.options.Bytes && utf8.RuneCountInString(text) == 1
		if !single && !made[id] {
			ids = append(ids, int32(id))
		}
	}
	return ids
}
