package cli

import (
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/internal/hub"
	"github.com/assay-gitops/assay/internal/hub/store/search"
	"github.com/assay-gitops/assay/internal/searchserver"
)

// storeFlags say which search server is the hub's store, when one is.
type storeFlags struct {
	server searchserver.Options
	prefix string
}

func (s *storeFlags) register(f *pflag.FlagSet) {
	f.StringVar(&s.server.Address, "store", "", "`URL` of an OpenSearch or Elasticsearch that is the store instead of a database: then many hubs can be run beside each other")
	f.StringVar(&s.prefix, "store-prefix", search.DefaultPrefix, "`name` that the store's indices begin with; hubs with the same one share them")
	f.StringVar(&s.server.Username, "store-user", "", "`name` of the user of the search server")
	f.StringVar(&s.server.PasswordFile, "store-password-file", "", "`file` with the user's password, read for each request")
	f.StringVar(&s.server.APIKeyFile, "store-api-key-file", "", "`file` with an API key instead, base64 of id:key, read for each request")
	f.StringVar(&s.server.CAFile, "store-ca-file", "", "`file` of the certificates (PEM) that may sign the search server's; those of the system without one")
}

func (s *storeFlags) into(o *hub.Options) error {
	if s.server.Address == "" {
		if s.server != (searchserver.Options{}) || s.prefix != search.DefaultPrefix {
			return usageErrorf("--store-prefix, --store-user, --store-password-file, --store-api-key-file and --store-ca-file are for --store, which is not given")
		}
		return nil
	}
	if o.MaxSize > 0 {
		return usageErrorf("--max-size is for the database in --data-dir: how large a search server's indices get is bounded by --keep")
	}
	s.server.UserAgent = "assay/" + o.Version
	if _, err := searchserver.New(s.server); err != nil {
		return usageErrorf("--store: %v", err)
	}
	if err := searchserver.CheckIndex(s.prefix); err != nil {
		return usageErrorf("--store-prefix: %v", err)
	}
	o.Search = &search.Options{Server: s.server, Prefix: s.prefix, Logger: o.Logger}
	return nil
}
