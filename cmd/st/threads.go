package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"st/runtime"
)

const (
	autoThreads = "auto"
	maxThreads  = 1024
)

// addAutoThreadsFlag adds the flag of commands that run a model.
func addAutoThreadsFlag(flags *pflag.FlagSet, threads *int) {
	flags.Var(threadsFlag{threads, runtime.AutoThreads}, "threads",
		"`N` threads that compute; 0: one per physical core that is fast; auto: measure for a second which number generates fastest, and remember it")
}

// addThreadsFlag adds the flag of commands that encode weights: all processors are fastest for that, and nothing need be measured.
func addThreadsFlag(flags *pflag.FlagSet, threads *int) {
	flags.Var(threadsFlag{threads, 0}, "threads", "`N` threads that compute; 0 or auto: one per CPU")
}

// threadsFlag is a flag that takes a number of threads, or auto.
type threadsFlag struct {
	value *int
	auto  int // what auto stands for
}

func (f threadsFlag) Type() string { return "N" }

func (f threadsFlag) String() string {
	if *f.value == runtime.AutoThreads {
		return autoThreads
	}
	return strconv.Itoa(*f.value)
}

func (f threadsFlag) Set(s string) error {
	if s == autoThreads {
		*f.value = f.auto
		return nil
	}
	if _, err := strconv.Atoi(s); err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("it must be a whole number, or auto")
	}
	return intFlag{f.value, 0, maxThreads}.Set(s)
}

// threadCache returns the directory in which numbers of threads are remembered; "" if the user has none.
func threadCache() string { return cacheDir("threads") }

// diskCache returns the directory in which it is remembered how disks want to be read.
func diskCache() string { return cacheDir("disks") }

// rememberVariable names the environment variable that keeps st from remembering experts, and from using what is remembered.
const rememberVariable = "ST_REMEMBER_EXPERTS"

// expertCache returns the directory in which it is remembered which experts models use; "" if that is off.
func expertCache() (string, error) {
	switch v := os.Getenv(rememberVariable); v {
	case "", "on":
		return cacheDir("experts"), nil
	case "off":
		return "", nil
	default:
		return "", usagef("%s is %q in the environment: it must be on or off", rememberVariable, v)
	}
}

func cacheDir(name string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "st", name)
}
