package activity_test

import (
	"fmt"

	"st/format"
	"st/runtime/activity"
)

// An engine calls ExpertsUsed layer by layer; here it is called by hand, for three tokens of one layer.
func ExampleCollector() {
	c, err := activity.NewCollector(&format.Config{Layers: 1, MoE: &format.MoE{Experts: 4, ExpertsPerToken: 2, ExpertFFN: 10}})
	if err != nil {
		fmt.Println(err)
		return
	}
	chosen := []int32{0, 1, 0, 2, 0, 1} // by each of the tokens
	weights := []float32{0.75, 0.25, 0.5, 0.5, 0.625, 0.375}
	active := []int32{3, 5, 2, 4, 4, 6} // neurons
	c.ExpertsUsed(0, chosen, weights, active)
	c.EndSequence()
	report, err := c.Report()
	if err != nil {
		fmt.Println(err)
		return
	}
	layer := report.Layers[0]
	fmt.Printf("expert 0 is used by %.0f %% of the tokens\n", 100*layer.Experts[0].Frequency)
	fmt.Printf("%.0f %% of a token's experts are those of the token before\n", 100*layer.Locality)
	fmt.Printf("%.0f %% of the neurons are active\n", 100*layer.Density.Mean)
	// Output:
	// expert 0 is used by 100 % of the tokens
	// 50 % of a token's experts are those of the token before
	// 40 % of the neurons are active
}
