package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"github.com/assay-gitops/assay/internal/words"
)

// hubTimeout is how long the hub may take to answer one request.
const hubTimeout = 30 * time.Second

// hubFlags say where the hub is, and who asks.
type hubFlags struct {
	cluster   clusterFlags
	hub       string
	tokenFile string
}

// connection defines the flags beside those of the cluster.
func (f *hubFlags) connection(flags *pflag.FlagSet) {
	flags.StringVar(&f.hub, "hub", "", "`URL` of the hub (default: $ASSAY_HUB)")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` with the token to be known by (default: what the kubeconfig says)")
}

// hubClient asks a hub.
type hubClient struct {
	http *http.Client
	url  string
}

// client speaks to the hub as who the flags say.
func (f *hubFlags) client(env *Env) (*hubClient, error) {
	if f.hub == "" {
		f.hub = env.Getenv("ASSAY_HUB")
	}
	if u, err := url.Parse(f.hub); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usageErrorf("--hub %q: give the URL of the hub, such as https://hub.example.com, or set ASSAY_HUB", f.hub)
	}
	config := &rest.Config{}
	if f.tokenFile != "" {
		content, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("read the token: %w", err)
		}
		// The file is read again from time to time: Kubernetes renews what it mounts.
		config.BearerToken, config.BearerTokenFile = strings.TrimSpace(string(content)), f.tokenFile
	} else {
		found, err := f.cluster.config(env)
		if err != nil {
			return nil, err
		}
		// Who somebody is, without the cluster's address and authorities.
		config.BearerToken, config.BearerTokenFile, config.ExecProvider = found.BearerToken, found.BearerTokenFile, found.ExecProvider
		if config.BearerToken == "" && config.BearerTokenFile == "" && config.ExecProvider == nil {
			return nil, usageErrorf("the kubeconfig has no token to be known by: give --token-file, for example with `kubectl create token`")
		}
	}
	config.UserAgent = "assay/" + env.Version
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the hub: %w", err)
	}
	client.Timeout = hubTimeout
	return &hubClient{client, strings.TrimSuffix(f.hub, "/")}, nil
}

// maxHubAnswer bounds what is read of one answer.
const maxHubAnswer = 64 << 20

// ask reads what the hub answers for a path with its query.
func (c *hubClient) ask(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxHubAnswer))
	if err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return refusedByHub(response, body)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	return nil
}

// hubRefusal is an answer of the hub that is none.
type hubRefusal struct {
	status int
	says   string
}

func (r *hubRefusal) Error() string { return r.says }

func refusedByHub(response *http.Response, body []byte) error {
	var problem struct {
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &problem) != nil || problem.Detail == "" {
		problem.Detail = words.OneLine(string(body), maxTrouble)
	}
	for _, e := range problem.Errors {
		problem.Detail += "; " + strings.TrimPrefix(e.Location, "query.") + ": " + e.Message
	}
	return &hubRefusal{response.StatusCode, "the hub answered " + response.Status + ": " + words.OneLine(problem.Detail, maxTrouble)}
}
