package main

import (
	"strings"
	"testing"

	"st/runtime"
)

func TestThreadsFlag(t *testing.T) {
	for _, tt := range []struct {
		text string
		auto int
		want int
		err  string
	}{
		{"auto", runtime.AutoThreads, runtime.AutoThreads, ""},
		{"auto", 0, 0, ""},
		{"0", runtime.AutoThreads, 0, ""},
		{"7", 0, 7, ""},
		{"-1", runtime.AutoThreads, 3, "0"},
		{"1025", 0, 3, "1024"},
		{"Auto", 0, 3, "auto"},
		{"", 0, 3, "auto"},
	} {
		n := 3
		err := threadsFlag{&n, tt.auto}.Set(tt.text)
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) || n != tt.want {
			t.Errorf("%q: %d, %v; want %d and an error with %q", tt.text, n, err, tt.want, tt.err)
		}
	}
}
