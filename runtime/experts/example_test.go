package experts_test

import (
	"fmt"
	"os"

	"st/runtime/experts"
)

// How often would experts be in memory if half of them fit?
func ExampleSimulate() {
	file, err := os.Open("testdata/tiny.trace")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	trace, err := experts.ReadTrace(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	warm := len(trace.Tokens) / 4 // which fill the cache
	policy := experts.NewScored(trace.Shape, trace.Len()/2, experts.OfUses...)
	fmt.Printf("%.0f %%\n", 100*experts.Simulate(trace, policy, warm).HitRate())
	// Output: 68 %
}
