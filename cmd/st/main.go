// Command st converts SmallThinker mixture-of-experts models to .stm files and runs them on small machines.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
