package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"st/runtime/models"
	"st/runtime/server"
)

// serveFlags are the flags of st serve.
type serveFlags struct {
	server.Options
	addr, keyFile string
	insecure      bool
	auto          bool // the choice of the memory is told
}

func (a *app) serveCommand() *cobra.Command {
	f := serveFlags{Options: server.Options{Parallel: server.DefaultParallel, Queue: server.DefaultQueue, KeepAlive: server.DefaultKeepAlive, CacheSize: server.DefaultCacheSize}}
	cmd := &cobra.Command{
		Use:   "serve [MODEL...]",
		Short: "Serve models over HTTP, to clients of OpenAI, Ollama and Anthropic",
		Long:  help("serve"),
		Example: `  st serve
  st serve small.stm
  st serve 4b.stm 21b.stm --memory 8GiB --parallel 8
  st serve small.stm --addr 0.0.0.0:8080 --api-key-file key.txt`,
		Args: anyNumber("MODEL"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.serve(cmd.Context(), args, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "", "listen on `HOST:PORT`, or on a port of 127.0.0.1 (default: OLLAMA_HOST, or else "+defaultAddress+")")
	addMemoryFlag(flags, &f.Memory, &f.auto)
	flags.Var(intFlag{&f.Parallel, 1, 256}, "parallel", "run `N` requests at the same time")
	flags.Var(intFlag{&f.Queue, 0, math.MaxInt32}, "queue", "let `N` more wait")
	flags.Var(keepAliveFlag{&f.KeepAlive}, "keep-alive", "unload a model that was idle for a `TIME`, or so many seconds; -1: never")
	flags.StringVar(&f.CacheDir, "cache-dir", "", "keep the KV caches of prompts in this `directory`, also from one run of the server to the next")
	flags.Var(sizeFlag{&f.CacheSize}, "cache-size", "use up to `SIZE` of it")
	flags.Var(intFlag{&f.Context, 0, math.MaxInt32}, "ctx", "`N` tokens of context for each request; 0: as many as the model was trained for")
	addKVTypeFlag(flags, &f.KVType)
	addLookupFlag(flags, &f.Lookup)
	addAutoThreadsFlag(flags, &f.Threads)
	f.ThreadCache, f.DiskCache = threadCache(), diskCache()
	addRoutingFlags(flags, &f.ExpertsPerToken, &f.PreferCached)
	addSparseHeadFlag(flags, &f.SparseHead)
	flags.StringVar(&f.APIKey, "api-key", "", "`KEY` that clients must send; others on this machine can see it here, unlike in a file")
	flags.Var(fileFlag{&f.keyFile}, "api-key-file", "`file` with the key")
	flags.StringSliceVar(&f.Origins, "origins", nil, "`ORIGIN`s of web pages that may use the server, besides those of this machine; *: all")
	flags.StringSliceVar(&f.Hosts, "hosts", nil, "`NAME`s by which clients call the server, besides localhost, IP addresses and those in .internal")
	flags.BoolVar(&f.insecure, "insecure", false, "listen to other machines without a key")
	return completesModels(cmd, -1)
}

// keepAliveFlag is a flag that takes a time as Ollama's API and its OLLAMA_KEEP_ALIVE do.
type keepAliveFlag struct{ value *time.Duration }

func (f keepAliveFlag) String() string { return f.value.String() }
func (f keepAliveFlag) Type() string   { return "TIME" }

func (f keepAliveFlag) Set(s string) (err error) {
	*f.value, err = server.ParseKeepAlive(s)
	return err
}

// serve serves the named models, or those that are kept by name.
func (a *app) serve(ctx context.Context, names []string, f *serveFlags) (err error) {
	if err := f.complete(ctx); err != nil {
		return err
	}
	for _, name := range names {
		path, err := a.locate(name)
		if err != nil {
			return err
		}
		f.Models = append(f.Models, path)
	}
	if f.Store, err = models.Open(""); err != nil && len(names) == 0 {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.stderr, nil))
	if a.quiet {
		log = slog.New(slog.DiscardHandler)
	}
	f.Logger, f.Loaded, f.Fallback, f.Pull = log, letRead, letReadBeside, a.pullFor
	s, err := server.New(f.Options)
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := net.Listen("tcp", f.addr)
	if err != nil {
		return fmt.Errorf("%w: if another server is there already, which may be Ollama's, end it or choose another address with --addr HOST:PORT", err)
	}
	if f.auto {
		a.note("%s", sharedMemoryNote(s.Memory()))
	}
	all := s.Models()
	if len(all) == 0 {
		a.note("no models in %s yet: st pull ORG/NAME fetches one, and so do clients of Ollama", f.Store.Dir())
	}
	width := 24
	for _, m := range all {
		width = max(width, len(m.Name))
	}
	common := s.Memory().Common // --memory counts it
	for _, m := range all {
		fmt.Fprintf(a.stdout, "%-*s %s; %s\n", width, m.Name, size(m.Size), memoryOf(common+m.Needed, m.Least))
	}
	fmt.Fprintf(a.stdout, "listening on http://%s\n", l.Addr())
	// The first signal lets requests come to their end, the second ends them, and the third waits for nothing more.
	a.interrupts.onSecond(func() { go s.Close() })
	defer a.interrupts.onSecond(nil)
	return s.Serve(ctx, l)
}

// memoryOf tells the memory that all of a model takes, and the least with which it runs: of a very small one the least, which is a safe bound, is no less.
func memoryOf(all, least int64) string {
	if all <= least {
		return size(least) + " of memory"
	}
	return fmt.Sprintf("%s of memory, or as little as %s", size(all), size(least))
}

// complete checks the flags and sets what follows from them.
func (f *serveFlags) complete(ctx context.Context) (err error) {
	if f.ExpertCache, err = expertCache(); err != nil {
		return err
	}
	if f.addr, err = listenAddress(f.addr, os.Getenv("OLLAMA_HOST")); err != nil {
		return err
	}
	switch {
	case f.APIKey != "" && f.keyFile != "":
		return usagef("--api-key and --api-key-file are two ways to say the same")
	case f.keyFile != "":
		key, err := readFile(ctx, f.keyFile)
		if err != nil {
			return err
		}
		if f.APIKey = strings.TrimSpace(string(key)); f.APIKey == "" {
			return fmt.Errorf("%s: there is no key in it", f.keyFile)
		}
	case f.APIKey == "" && !f.insecure && !isLoopback(f.addr):
		return usagef("other machines can reach %s: give an --api-key-file, or --insecure if anyone may use it", f.addr)
	}
	if f.Queue == 0 {
		f.Queue = -1 // which is what the library calls none
	}
	if f.KeepAlive == 0 {
		f.KeepAlive = time.Nanosecond
	}
	return nil
}

// sharedMemoryNote says what the models may take and why.
func sharedMemoryNote(m server.Memory) string {
	if m.Total == 0 {
		return "note: how much memory there is is not known: models are mapped into memory"
	}
	return fmt.Sprintf("note: %s allows %s: all models together take up to %s, as with --memory %dMiB; those that do not fit read experts when they are needed, "+
		"and give memory to others that are used more", m.Source, size(m.Allowed), size(m.Total), m.Total>>20)
}
