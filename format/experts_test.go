package format

import (
	"errors"
	"testing"
)

// A config that asks for experts that the directory does not have is refused: readers allocate by its numbers.
func TestExpertsMissing(t *testing.T) {
	r, err := openBytes(testFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Config.ExpertCount(); n == 0 || n != len(r.experts) {
		t.Fatalf("the config asks for %d experts, the directory has %d", n, len(r.experts))
	}
	r.Config.MoE.Experts = maxExperts
	r.experts, r.tensors, r.roles = nil, nil, nil
	if err := r.openDirectory(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("error is %v, want ErrCorrupt", err)
	}
}
