// Command fleet sends a hub what the agents of some clusters would have found in them over a while: objects that are made up, judged by the
// policies that ship, with a history. It is for looking at a hub with much in it (make hub FINDINGS=100000).
//
// Clusters are those of environment variables FLEET_TOKEN_<cluster>, which hold the tokens of their agents.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// tokenVariable is what the names of variables with tokens begin with.
const tokenVariable = "FLEET_TOKEN_"

func main() {
	hub := flag.String("hub", "http://127.0.0.1:8790", "`URL` of the hub")
	findings := flag.Int("findings", 10_000, "`number` of findings, about")
	days := flag.Int("days", 60, "`days` that the history goes back")
	seed := flag.Uint64("seed", 1, "`number` that chooses what is made up")
	flag.Parse()
	if err := run(*hub, *findings, *days, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(hub string, findings, days int, seed uint64) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var clusters []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, tokenVariable) {
			clusters = append(clusters, strings.TrimPrefix(name, tokenVariable))
		}
	}
	if len(clusters) == 0 {
		return errors.New("no variable " + tokenVariable + "<cluster> has the token of an agent")
	}
	if findings < 1 || days < 1 {
		return errors.New("-findings and -days must be positive")
	}
	slices.Sort(clusters)
	judge, err := newJudge(ctx)
	if err != nil {
		return err
	}
	for i, cluster := range clusters {
		story := newStory(cluster, seed+uint64(i), time.Now().UTC(), days)
		for len(story.findings) < (findings+len(clusters)-1)/len(clusters) {
			if err := story.add(ctx, judge); err != nil {
				return err
			}
		}
		sender := sender{hub: hub, token: os.Getenv(tokenVariable + cluster)}
		if err := story.send(ctx, &sender, judge); err != nil {
			return fmt.Errorf("sending what is of cluster %s: %w", cluster, err)
		}
	}
	return nil
}
