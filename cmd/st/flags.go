package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// intFlag is a flag that takes a whole number within limits.
type intFlag struct {
	value    *int
	min, max int
}

func (f intFlag) String() string { return strconv.Itoa(*f.value) }
func (f intFlag) Type() string   { return "N" }

func (f intFlag) Set(s string) error {
	n, err := strconv.Atoi(s) // beyond the range of an int it is the end of the range
	switch beyond := errors.Is(err, strconv.ErrRange); {
	case err != nil && !beyond:
		return errors.New("it must be a whole number")
	case !beyond && n >= f.min && n <= f.max:
		*f.value = n
		return nil
	case f.max < math.MaxInt32:
		return fmt.Errorf("it must be %d to %d", f.min, f.max)
	case n < f.min || n < 0:
		return fmt.Errorf("it must be %d or more", f.min)
	default:
		return fmt.Errorf("it must be at most %d", f.max)
	}
}

// floatFlag is a flag that takes a number within limits.
type floatFlag struct {
	value    *float64
	min, max float64
}

func (f floatFlag) String() string { return strconv.FormatFloat(*f.value, 'g', -1, 64) }
func (f floatFlag) Type() string   { return "F" }

func (f floatFlag) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(v) {
		return errors.New("it must be a number")
	}
	if v < f.min || v > f.max {
		return outOfRange(v, f.min, f.max, f.max == math.MaxFloat32)
	}
	*f.value = v
	return nil
}

// outOfRange says what a number must be. open tells that the upper limit is only what can be computed with, which few come to know.
func outOfRange(v, low, high float64, open bool) error {
	switch {
	case open && math.IsInf(v, 1):
		return errors.New("it must be finite")
	case open && v >= high:
		return fmt.Errorf("it must be at most %.10g", high)
	case open:
		return fmt.Errorf("it must be %s or more", plain(low))
	}
	return fmt.Errorf("it must be %s to %s", plain(low), plain(high))
}

// plain writes a number without an exponent.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// parsedFlag is a flag whose text is read by a function, such as the name of a type.
type parsedFlag[T fmt.Stringer] struct {
	value *T
	parse func(string) (T, error)
}

func (f parsedFlag[T]) String() string { return (*f.value).String() }
func (f parsedFlag[T]) Type() string   { return "T" }

func (f parsedFlag[T]) Set(s string) (err error) {
	*f.value, err = f.parse(s)
	return err
}

// sizeFlag is a flag that takes a number of bytes, such as 1GiB or 800MB.
type sizeFlag struct{ value *int64 }

func (f sizeFlag) String() string {
	if *f.value == 0 {
		return ""
	}
	return humanize.IBytes(uint64(*f.value))
}

func (f sizeFlag) Type() string { return "SIZE" }

func (f sizeFlag) Set(s string) error {
	n, err := parseSize(s)
	if err != nil {
		return err
	}
	*f.value = n
	return nil
}

// errSize is the error of what is no size at all.
var errSize = errors.New("it must be a size such as 1GiB, 800MiB or 1.5GB")

// leastBare is the least number that is taken for bytes when it has no unit: whoever writes 8 or 800 means GiB or MiB.
const leastBare = 1 << 20

// parseSize reads a number of bytes above 0, with a unit or without. Commas are refused: 1,5GB is 1.5GB to some and 15GB to others.
func parseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	bare, unit := strconv.ParseFloat(s, 64)
	switch {
	case err != nil, n > math.MaxInt64, strings.Contains(s, ","):
		return 0, errSize
	case unit == nil && bare > 0 && (bare < leastBare || bare != math.Trunc(bare)):
		return 0, fmt.Errorf("it needs a unit: %[1]sGiB, %[1]sMiB or %[1]sGB", s)
	case n == 0:
		return 0, errSize
	}
	return int64(n), nil
}

// rateFlag is a flag that takes bytes a second, such as 800MB.
type rateFlag struct{ value *float64 }

func (f rateFlag) String() string {
	if *f.value == 0 {
		return ""
	}
	return humanize.Bytes(uint64(*f.value))
}

func (f rateFlag) Type() string { return "SIZE" }

func (f rateFlag) Set(s string) error {
	n, err := parseSize(s)
	if err == nil {
		*f.value = float64(n)
	}
	return err
}

// delayFlag is a flag that takes a time above 0.
type delayFlag struct{ value *time.Duration }

func (f delayFlag) String() string {
	if *f.value == 0 {
		return ""
	}
	return f.value.String()
}

func (f delayFlag) Type() string { return "TIME" }

func (f delayFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > time.Hour {
		return errors.New("it must be a time such as 100us or 4ms, up to an hour")
	}
	*f.value = d
	return nil
}

// fileFlag is a flag that names a file. - is refused: these files are opened more than once, or are binary.
type fileFlag struct{ name *string }

func (f fileFlag) String() string { return *f.name }
func (f fileFlag) Type() string   { return "FILE" }

func (f fileFlag) Set(s string) error {
	if s == "" {
		return errors.New("it must name a file")
	}
	if s == "-" {
		return errors.New("it must name a file, and not standard input or output")
	}
	*f.name = s
	return nil
}

// textFlag is a fileFlag of a text that is written: - is standard output.
type textFlag struct{ fileFlag }

func (f textFlag) Set(s string) error {
	if s == "-" {
		*f.name = s
		return nil
	}
	return f.fileFlag.Set(s)
}

func addForceFlag(flags *pflag.FlagSet, force *bool) {
	flags.BoolVar(force, "force", false, "replace the output file if it exists")
}

// arguments accepts one argument for every name; those in brackets may be left out. Those that are no text are not empty, as one that a script's variable
// without a value leaves.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return unexpectedArgument(cmd, args[len(names)])
		}
		for i, arg := range args {
			if arg == "" && !slices.Contains(emptyArguments, names[i]) {
				return fmt.Errorf("argument %s is empty", strings.Trim(names[i], "[]"))
			}
		}
		for _, name := range names[len(args):] {
			if name[0] != '[' {
				return fmt.Errorf("argument %s is missing", name)
			}
		}
		return nil
	}
}

// emptyArguments are the arguments that may be empty: texts, and what the names in a list begin with.
var emptyArguments = []string{"[PROMPT]", "[TEXT]", "[NAME]"}
