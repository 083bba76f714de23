// Command st converts mixture-of-experts language models to .stm files and runs them on small machines.
//
// A file holds one command: its flags, the call of the library, and what is printed. The library never names a flag; advice.go is the
// table from its errors to what a user can do. Where to start:
//
//	root.go    the tree of commands, errors and exit codes (exit.go)
//	flags.go   kinds of flags: numbers, sizes, files; threads.go, sampling.go, … hold those that commands share
//	names.go   MODEL as an argument: a file, or the name of a stored model
//	model.go   opens a model as the flags say
//	output.go  output files, which appear when they are complete
//	help/      the long texts of --help
package main
