package main

import (
	"strings"
	"testing"
)

// A size has a unit, or is a plain number of bytes that can be meant.
func TestParseSize(t *testing.T) {
	const unit, size = "it needs a unit", "it must be a size"
	for _, tt := range []struct {
		text string
		want int64
		err  string
	}{
		{"1GiB", 1 << 30, ""}, {"1.5GB", 1.5e9, ""}, {"800 mib", 800 << 20, ""}, {"2G", 2e9, ""}, {"5B", 5, ""}, {"64kB", 64e3, ""},
		{"1073741824", 1 << 30, ""}, {"1048576", 1 << 20, ""}, {"9007199254740993", 9007199254740993, ""},
		{"1.5", 0, unit}, {"0.5", 0, unit}, {"8", 0, unit}, {"1024", 0, unit}, {"1048575", 0, unit}, {"1073741824.5", 0, unit},
		{"", 0, size}, {"0", 0, size}, {"0.0", 0, size}, {"0GiB", 0, size}, {"0.1B", 0, size}, {"-1GiB", 0, size}, {"1e9", 0, size}, {"0x100000", 0, size}, {"nan", 0, size},
		{"inf", 0, size}, {"1,5GB", 0, size}, {"1GiBs", 0, size}, {"9223372036854775808", 0, size},
	} {
		got, err := parseSize(tt.text)
		if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%q: %d, %v; want %d, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
}

// Every flag that takes a size says what it lacks, and that of the memory takes auto, too.
func TestSizeFlags(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"generate x.stm --memory 1.5", `"1.5" for "--memory" flag: it needs a unit: 1.5GiB, 1.5MiB or 1.5GB`},
		{"serve x.stm --memory much", `"much" for "--memory" flag: it must be a size such as 1GiB, 800MiB or 1.5GB, or auto`},
		{"serve x.stm --cache-size 4", `"4" for "--cache-size" flag: it needs a unit: 4GiB, 4MiB or 4GB`},
		{"inspect x.stm --disk-bandwidth 800", `"800" for "--disk-bandwidth" flag: it needs a unit: 800GiB, 800MiB or 800GB`},
	} {
		if o := st(strings.Fields(tt.args)...); o.code != exitUsage || !strings.Contains(o.stderr, tt.want) {
			t.Errorf("st %s: exit code %d: %s", tt.args, o.code, o.stderr)
		}
	}
}

// A number that is out of range is told the bound that it is beyond.
func TestNumberFlags(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"--top-k -2", "it must be -1 or more"},
		{"--top-k 99999999999", "it must be at most 2147483647"},
		{"--top-k -99999999999999999999", "it must be -1 or more"},
		{"--top-k 99999999999999999999", "it must be at most 2147483647"},
		{"--top-k 1.5", "it must be a whole number"},
		{"--ctx 2147483648", "it must be at most 2147483647"},
		{"--predict 9223372036854775808", "it must be at most 9223372036854775807"},
		{"--timeline-tokens 1001", "it must be 1 to 1000"},
		{"--timeline-tokens 99999999999999999999", "it must be 1 to 1000"},
		{"--seed 18446744073709551616", "it must be at most 18446744073709551615"},
		{"--repeat-penalty inf", "it must be finite"},
		{"--repeat-penalty 1e999", "it must be finite"},
		{"--repeat-penalty 1e39", "it must be at most 3.402823466e+38"},
		{"--repeat-penalty -inf", "it must be more than 0; 1 is off"},
		{"--repeat-penalty NaN", "it must be more than 0; 1 is off"},
		{"--repeat-penalty much", "it must be a number"},
		{"--top-p 1e999", "it must be 0 to 1"},
	} {
		if o := st(strings.Fields("generate x.stm -p x " + tt.args)...); o.code != exitUsage || !strings.Contains(o.stderr, "flag: "+tt.want+"\n") {
			t.Errorf("%s: exit code %d: %s", tt.args, o.code, o.stderr)
		}
	}
}
