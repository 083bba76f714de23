package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"st/convert/hub/hubtest"
)

func main() {
	id := flag.String("id", "Tiiny/Test", "`ORG/NAME` of the repository")
	addr := flag.String("addr", "127.0.0.1:8085", "`address` of the Hub; the storage takes any free port")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*id, *addr, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "fakehub:", err)
		os.Exit(1)
	}
}

func serve(id, addr, dir string) error {
	files, err := hubtest.Directory(dir)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New(dir + " has no files")
	}
	h := hubtest.NewHandler()
	commit := h.Add(id).Commit(files)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	storage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.Storage = "http://" + storage.Addr().String()
	fmt.Printf("%s at commit %s, %d files: HF_ENDPOINT=http://%s\n", id, commit, len(files), listener.Addr())
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(storage, http.HandlerFunc(h.ServeStorage)) }()
	go func() { failed <- http.Serve(listener, h) }()
	return <-failed
}
