// Search starts a search server for a person and leaves it running until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/assay-gitops/assay/e2e/search"
)

func main() {
	product := flag.String("product", string(search.OpenSearch), "opensearch or elasticsearch")
	flag.Parse()
	if err := run(search.Product(*product)); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(product search.Product) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "assay-search-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := search.Start(ctx, product, filepath.Join(dir, "node"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	fmt.Printf("export ASSAY_TEST_SEARCH_SERVERS=%s=%s\n", product, server.URL)
	fmt.Fprintln(os.Stderr, "running; interrupt to stop and delete it")
	<-ctx.Done()
	return nil
}
