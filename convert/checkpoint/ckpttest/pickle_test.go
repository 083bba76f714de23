package ckpttest

import (
	"bytes"
	"os"
	"testing"
)

// TestPickle compares a pickle with the one that Python writes of the same state dict.
func TestPickle(t *testing.T) {
	tensors := []Tensor{
		{Name: "a.weight", DType: "F32", Shape: []int{2, 3}, Data: make([]float32, 6)},
		{Name: "b.weight", DType: "F32", Shape: []int{300}, Data: make([]float32, 300)},
		{Name: "c", DType: "F32", Shape: []int{1, 2, 3, 4}, Data: make([]float32, 24)},
		{Name: "d", DType: "F32", Data: make([]float32, 1)},
	}
	_, of, err := layOut(tensors)
	if err != nil {
		t.Fatal(err)
	}
	got := statePickle(tensors, of, &TorchOptions{})
	want, err := os.ReadFile("testdata/state.pkl")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
