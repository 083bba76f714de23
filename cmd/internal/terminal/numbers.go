package terminal

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// Size writes a number of bytes: 2.4 GiB.
func Size(bytes int64) string { return humanize.IBytes(uint64(bytes)) }

// MiB writes a size as --memory takes it, rounded up.
func MiB(bytes int64) string { return fmt.Sprintf("%dMiB", (bytes+(1<<20)-1)>>20) }

// Comma writes a whole number: 151,936.
func Comma[T int | int64](n T) string { return humanize.Comma(int64(n)) }

// Count writes a number of parameters as people do: 4.30 B.
func Count(n int64) string {
	switch f := float64(n); {
	case f >= 1e9:
		return fmt.Sprintf("%.2f B", f/1e9)
	case f >= 1e6:
		return fmt.Sprintf("%.2f M", f/1e6)
	case f >= 1e3:
		return fmt.Sprintf("%.1f k", f/1e3)
	}
	return fmt.Sprint(n)
}

// Plural writes a number and its noun: 1 layer, 32 layers.
func Plural[T int | int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Comma(n) + " " + noun + "s"
}

// Percent writes a share, 0 to 1, with one digit: 12.3 %.
func Percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// Points writes a difference of shares in percentage points: +1.5. Adding 0 makes 0 of −0.
func Points(difference float64) string { return fmt.Sprintf("%+.1f", math.Round(1000*difference)/10+0) }
