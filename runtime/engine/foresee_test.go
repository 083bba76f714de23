package engine_test

import (
	"testing"

	"st/runtime/engine"
)

// What a guess lacks at every token is added to it after a few of them, for the most part; a token without a guess changes nothing.
func TestGuessLearns(t *testing.T) {
	g := engine.NewGuess(2)
	var amended []float32
	for range 30 {
		amended = []float32{1, 2}
		g.Amend(amended)
		g.Chosen([]float32{3, 2}) // the layers between add 2 to the first
		g.Chosen([]float32{9, 9})
	}
	if amended[0] < 2.3 || amended[0] > 2.5 || amended[1] != 2 {
		t.Errorf("logits 1 and 2, of which the first becomes 3, are amended to %v", amended)
	}
}
