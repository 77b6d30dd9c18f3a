package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/hub"
	"github.com/assay-gitops/assay/internal/hub/auth"
	"github.com/assay-gitops/assay/internal/hub/impact"
	"github.com/assay-gitops/assay/internal/hub/live"
)

// minHubSize is the least that --max-size may be, in bytes.
const minHubSize = 64 << 20

func newHub(env *Env) *cobra.Command {
	var cluster clusterFlags
	var signIn signInFlags
	var kept storeFlags
	var maxSize string
	o := hub.Options{Version: env.Version}
	command := &cobra.Command{
		Use:     "hub",
		GroupID: groupCluster,
		Short:   "Keep what agents found, and answer questions about it",
		Long: `Hub is a server. Agents send it what they find (their hubSink), from one cluster or many; it keeps that in a database of
its own, or in a search server that many hubs share, with the history of each violation, and answers over HTTP: docs/hub.md says how it
is run, docs/hub-api.md what it answers. The API describes itself at /docs and /openapi.json.

Agents prove who they are by a token of their ServiceAccount, or by one that is registered. People do by a token of the
cluster, a password or a session of their browser, and see what the cluster lets them: the right to list violations in group pac.weave.works, in
a namespace or in all.`,
		Example: `  # For yourself, on the cluster of the current kubeconfig
  assay hub --data-dir ./hub
  curl -H "Authorization: Bearer $(kubectl create token reader)" http://127.0.0.1:8474/v1/violations

  # In a cluster, with a certificate
  assay hub --data-dir /data --listen :8443 --cert-dir /certs --cluster production

  # One of several replicas, with the store in OpenSearch
  assay hub --store https://opensearch:9200 --store-user assay --store-password-file /secrets/password --listen :8443 --cert-dir /certs

  # A copy of its database, while it runs
  assay hub backup --data-dir /data --output /data/backup.db`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := cluster.config(env)
			if err != nil {
				return err
			}
			if o.Client, err = kubernetes.NewForConfig(config); err != nil {
				return fmt.Errorf("make a client: %w", err)
			}
			if o.Objects, err = live.Reader(config); err != nil {
				return err
			}
			if o.Impacts, err = impact.New(config); err != nil {
				return err
			}
			if o.Keep < time.Hour {
				return usageErrorf("--keep must be an hour or longer")
			}
			if maxSize != "" {
				if o.MaxSize, err = parseSize("max-size", maxSize); err != nil {
					return err
				}
				// Less is a unit that was forgotten, and everything would be.
				if o.MaxSize < minHubSize {
					return usageErrorf("--max-size %q: must be 64Mi or more", maxSize)
				}
			}
			if err := signIn.into(&o); err != nil {
				return err
			}
			o.Logger = slog.New(slog.NewJSONHandler(env.Stderr, nil))
			if err := kept.into(&o); err != nil {
				return err
			}
			err = hub.Run(command.Context(), o)
			if errors.Is(err, hub.ErrPlain) {
				return usageErrorf("%v: give --cert-dir, or listen on 127.0.0.1", err)
			}
			return err
		},
	}
	section(command, "Flags", func(f *pflag.FlagSet) {
		f.StringVar(&o.Dir, "data-dir", "/var/lib/assay/hub", "`folder` of the database; it belongs to one hub")
		f.StringVar(&o.Listen, "listen", "127.0.0.1:8474", "`address` to serve on")
		f.StringVar(&o.CertDir, "cert-dir", "", "`folder` with tls.crt and tls.key; without one, plain HTTP on loopback")
		f.StringVar(&o.Cluster, "cluster", "default", "`name` of the hub's own cluster, by which its results are found")
		f.StringArrayVar(&o.Agents, "agent", []string{auth.DefaultAgent}, "`namespace:name` of the ServiceAccount of the agent in the hub's own cluster; repeatable")
		f.StringVar(&o.AgentTokens, "agent-tokens", "", "`file` of the registered tokens of agents in other clusters")
		f.StringVar(&o.Users, "users", "", "`file` of names and bcrypt hashes of people without a token of the cluster")
		f.BoolVar(&o.ReadEvents, "read-events", false, "keep what Kubernetes events of the Weave Policy Agent in the hub's own cluster say, which are gone after an hour; docs/hub.md says whom it makes you trust")
		f.DurationVar(&o.Keep, "keep", 90*24*time.Hour, "how `long` results are kept, and violations that are not open any more")
		f.StringVar(&maxSize, "max-size", "", "how many `bytes` of the database may be used, such as 10Gi, before the oldest results are forgotten; no limit without one")
	})
	section(command, "Store", kept.register)
	section(command, "Sign-in", signIn.register)
	section(command, "Cluster", cluster.connection)
	command.AddCommand(newHubBackup(env))
	return command
}
