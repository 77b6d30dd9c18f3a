package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/assay-gitops/assay/internal/hub/auth/provider"
	"github.com/assay-gitops/assay/internal/hub/store"
)

const (
	// DefaultAudience is what tokens of agents are for.
	DefaultAudience = "assay-hub"
	// DefaultAgent is the ServiceAccount of the agent that the chart installs.
	DefaultAgent = "policy-system:policy-agent"

	// Group of the resources that rights are granted on.
	Group = "pac.weave.works"

	// believed is how long what the API server said is taken to be true.
	believed = 10 * time.Second
	// askTimeout bounds one question to the API server, however long the caller would wait.
	askTimeout = 10 * time.Second
	// maxToken bounds what is hashed and sent on. The tokens of API servers have about a kilobyte, those with many groups some more.
	maxToken = 16 << 10
)

// Resource is what a reader wants to see.
type Resource string

// The resources. No API server has violations and workspaces: they exist for rights only, and are granted in namespaces as well. The others
// are those of the cluster, and belong to no namespace.
const (
	Violations       Resource = "violations"
	Workspaces       Resource = "workspaces"
	Policies         Resource = "policies"
	PolicySets       Resource = "policysets"
	PolicyConfigs    Resource = "policyconfigs"
	PolicyExceptions Resource = "policyexceptions"
)

// inNamespaces tells whether a right in a namespace means anything.
func (r Resource) inNamespaces() bool { return r == Violations || r == Workspaces }

// Verb is what a reader wants to do.
type Verb string

// The verbs.
const (
	// List is to see lists and counts.
	List Verb = "list"
	// Get is to see one with its document.
	Get Verb = "get"
)

// Options say whom to ask.
type Options struct {
	// Client of the hub's own cluster. It needs the rights to create TokenReviews and SubjectAccessReviews and to list Namespaces.
	Client kubernetes.Interface
	// Cluster is the name of the hub's own cluster.
	Cluster string
	// Audience of agents' tokens; empty is DefaultAudience.
	Audience string
	// Agents are the ServiceAccounts, namespace:name, whose tokens may send results of the own cluster; none is DefaultAgent.
	Agents []string
	// AgentTokens is a file of tokens of agents in other clusters; empty for none. See the documentation of the hub.
	AgentTokens string
	// Users is a file of names and passwords; empty for none.
	Users string
	// SessionKeys is a file of keys that sessions of browsers are sealed with; without one sessions end with the process.
	SessionKeys string
	// SessionMaxAge is how long a session lasts at most; 0 is DefaultSessionMaxAge.
	SessionMaxAge time.Duration
	// Provider is an identity provider; nil for none.
	Provider *provider.Provider
	// External is where browsers find the hub; nil when that is where it listens.
	External *url.URL
	Logger   *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Auth answers who somebody is. It is safe for concurrent use.
type Auth struct {
	cluster, audience string
	// agents are user names.
	agents     []string
	tokens     *tokens
	rights     *rights
	registered *watched[*registrations]
	users      *users
	sessions   *sessions
	provider   *provider.Provider
	external   *url.URL
	logger     *slog.Logger
}

// Reader is somebody who may see something.
type Reader struct {
	Name string
	// Way is how they said who they are.
	Way   Way
	Scope store.Scope
	// Renewed is the cookie of their session as it should be from now on; nil when it should stay as it is.
	Renewed *http.Cookie
}

// New reads the files. An error says what is wrong with the options or with a file.
func New(o Options) (*Auth, error) {
	switch {
	case o.Client == nil:
		return nil, errors.New("making the hub's authentication: there is no client of the hub's cluster")
	case o.Cluster == "":
		return nil, errors.New("making the hub's authentication: the hub's own cluster has no name")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Audience == "" {
		o.Audience = DefaultAudience
	}
	if len(o.Agents) == 0 {
		o.Agents = []string{DefaultAgent}
	}
	a := &Auth{
		cluster: o.Cluster, audience: o.Audience, tokens: newTokens(o.Client, o.Now), rights: newRights(o.Client, o.Cluster, o.Now), external: o.External,
		logger: o.Logger, provider: o.Provider,
	}
	for _, agent := range o.Agents {
		namespace, name, ok := strings.Cut(agent, ":")
		if !ok || namespace == "" || name == "" || strings.Contains(name, ":") {
			return nil, fmt.Errorf("making the hub's authentication: the agent %q is not namespace:name of a ServiceAccount", agent)
		}
		a.agents = append(a.agents, "system:serviceaccount:"+agent)
	}
	if o.AgentTokens != "" {
		parse := func(content []byte) (*registrations, error) { return parseRegistrations(content, o.Cluster) }
		var err error
		if a.registered, err = watch(o.AgentTokens, parse, o.Logger, o.Now); err != nil {
			return nil, fmt.Errorf("reading the tokens of agents: %w", err)
		}
	}
	if o.Users != "" {
		file, err := watch(o.Users, parseUsers, o.Logger, o.Now)
		if err != nil {
			return nil, fmt.Errorf("reading the users: %w", err)
		}
		if a.users, err = newUsers(file, o.Now); err != nil {
			return nil, err
		}
	}
	var err error
	if a.sessions, err = newSessions(&o); err != nil {
		return nil, err
	}
	return a, nil
}

// HasPasswords tells whether there is a file of users, so that a browser may be asked for a name and a password.
func (a *Auth) HasPasswords() bool { return a.users != nil }

// External is the origin at which browsers find the hub, such as https://hub.example.com; empty when that is where it listens.
func (a *Auth) External() string {
	if a.external == nil {
		return ""
	}
	return a.external.Scheme + "://" + a.external.Host
}

// Agent is the cluster that the sender of results speaks for. An error is a *Refusal, or the context's.
func (a *Auth) Agent(r *http.Request) (cluster string, err error) {
	token, err := bearer(r)
	if err != nil {
		return "", err
	}
	if token == "" {
		return "", unauthenticated("results are taken from agents only: send the agent's token as Authorization: Bearer")
	}
	if cluster, ok := a.registration(token); ok {
		return cluster, nil
	}
	user, ok, err := a.tokens.review(r.Context(), token, a.audience)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", unauthenticated(fmt.Sprintf("the token is neither registered for a cluster nor a valid one of cluster %s for the audience %s", a.cluster, a.audience))
	case !slices.Contains(a.agents, user.Username):
		return "", &Refusal{Reason: Forbidden, Detail: fmt.Sprintf("%s is not an agent: the hub takes results from %s", user.Username, strings.Join(a.agents, ", "))}
	}
	return a.cluster, nil
}

// Reader is who asks and what they may see of a resource, which is something. An error is a *Refusal, or the context's.
func (a *Auth) Reader(r *http.Request, verb Verb, resource Resource) (Reader, error) {
	who, err := a.who(r)
	if err != nil {
		return Reader{}, err
	}
	scope, err := a.rights.scope(r.Context(), who.user, right{verb, resource})
	if err != nil {
		return Reader{}, err
	}
	if !scope.All && len(scope.Namespaces) == 0 {
		where, role := "in the cluster", "ClusterRole"
		if resource.inNamespaces() {
			where, role = "in the cluster or in any of its namespaces", "Role"
		}
		return Reader{}, &Refusal{Reason: Forbidden, Detail: fmt.Sprintf(
			"%s may not %s %s (group %s) %s: ask for a %s with apiGroups [%q], resources [%q] and verbs [\"get\", \"list\"]",
			who.Username, verb, resource, Group, where, role, Group, resource)}
	}
	return Reader{Name: who.Username, Way: who.Way, Scope: scope, Renewed: a.Renewed(r, &who)}, nil
}

// who asks, of those who may read. What a request says with the Authorization header is what counts, whatever session its browser has.
func (a *Auth) who(r *http.Request) (Identity, error) {
	if name, password, ok := r.BasicAuth(); ok {
		found, err := a.password(r, name, password)
		return Identity{user: found, Way: ByPassword}, err
	}
	token, err := bearer(r)
	if err != nil {
		return Identity{}, err
	}
	if token == "" {
		return a.signedIn(r)
	}
	// It must not reach the API server, whose log is for others.
	if cluster, ok := a.registration(token); ok {
		return Identity{}, &Refusal{Reason: Forbidden, Detail: "this is the token of the agent of cluster " + cluster + ", which sends results and reads nothing"}
	}
	found, ok, err := a.tokens.review(r.Context(), token, "")
	if err != nil {
		return Identity{}, err
	}
	if !ok {
		return Identity{}, unauthenticated("the token is not a valid one of cluster " + a.cluster + " for its API server: it may have expired, or be for another audience")
	}
	return Identity{user: found, Way: ByToken}, nil
}

// password is the user of a name and a password, when nobody could listen to them on the way.
func (a *Auth) password(r *http.Request, name, password string) (user, error) {
	if a.users == nil {
		return user{}, unauthenticated("the hub knows no passwords: send a token as Authorization: Bearer")
	}
	if !private(r) {
		return user{}, unauthenticated("a password is taken over TLS only, or from the hub's own machine")
	}
	return a.users.check(r.Context(), name, password)
}

func (a *Auth) registration(token string) (cluster string, ok bool) {
	if a.registered == nil {
		return "", false
	}
	return a.registered.get().find(token)
}

// bearer is the token of a request, empty when it shows none.
func bearer(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	switch {
	case len(headers) > 1:
		return "", unauthenticated("the request has several Authorization headers: send one")
	case !strings.EqualFold(scheme, "Bearer") || token == "":
		return "", unauthenticated("the Authorization header is not of the form: Bearer TOKEN")
	case len(token) > maxToken:
		return "", unauthenticated(fmt.Sprintf("the token is longer than %d bytes", maxToken))
	}
	return token, nil
}

// secret stands for a token or a password where it is compared or kept.
type secret [sha256.Size]byte

func hashed(token string) secret { return sha256.Sum256([]byte(token)) }

// asking is a context for a question that several may wait for: it does not end with the one who asked first.
func asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
}
