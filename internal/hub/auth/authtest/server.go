// Package authtest stands in for the API server of a hub's cluster where no real one can be had: it answers over HTTP what client-go asks,
// about tokens, rights and namespaces, and nothing else. The tests whose names have Cluster in them ask a real one.
package authtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// APIAudience is the audience of the API server itself.
const APIAudience = "https://kubernetes.default.svc"

// Token is one that the API server knows.
type Token struct {
	User authenticationv1.UserInfo
	// Audiences that it is for.
	Audiences []string
}

// Grant lets users with a name or in a group use a verb on a resource, violations when it is empty: in namespaces, or everywhere when there
// are none.
type Grant struct {
	Name, Group string
	Resource    string
	Verbs       []string
	Namespaces  []string
}

// Server is the API server.
type Server struct {
	mu         sync.Mutex
	tokens     map[string]Token
	grants     []Grant
	namespaces []string
	down       bool
	asked      map[string]int
	seen       []string
	blind      bool
	server     *httptest.Server
}

// Start starts one for the time of a test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{tokens: map[string]Token{}, asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /apis/authentication.k8s.io/v1/tokenreviews", s.tokenReview)
	mux.HandleFunc("POST /apis/authorization.k8s.io/v1/subjectaccessreviews", s.accessReview)
	mux.HandleFunc("GET /api/v1/namespaces", s.listNamespaces)
	s.server = httptest.NewServer(mux)
	t.Cleanup(s.server.Close)
	return s
}

// Client is one of client-go, which speaks JSON to it.
func (s *Server) Client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: s.server.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Know makes a token known.
func (s *Server) Know(text string, token Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[text] = token
}

// Revoke forgets a token.
func (s *Server) Revoke(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, text)
}

// Allow replaces what is granted.
func (s *Server) Allow(grants ...Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants = grants
}

// SetNamespaces replaces the namespaces of the cluster.
func (s *Server) SetNamespaces(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaces = names
}

// SetDown makes it answer with errors.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// SetBlind makes it answer reviews like an authenticator that knows no audiences.
func (s *Server) SetBlind(blind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind = blind
}

// Asked is how often a kind of question came: tokens, rights or namespaces.
func (s *Server) Asked(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

// SeenTokens are those it was asked about.
func (s *Server) SeenTokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *Server) tokenReview(w http.ResponseWriter, r *http.Request) {
	var review authenticationv1.TokenReview
	if !s.begin(w, r, "tokens", &review) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, review.Spec.Token)
	audiences := review.Spec.Audiences
	if len(audiences) == 0 {
		audiences = []string{APIAudience}
	}
	if token, ok := s.tokens[review.Spec.Token]; ok {
		var common []string
		for _, audience := range token.Audiences {
			if slices.Contains(audiences, audience) {
				common = append(common, audience)
			}
		}
		switch {
		case s.blind:
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: token.User}
		case len(common) > 0:
			review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, User: token.User, Audiences: common}
		}
	}
	answer(w, http.StatusCreated, &review)
}

func (s *Server) accessReview(w http.ResponseWriter, r *http.Request) {
	var review authorizationv1.SubjectAccessReview
	if !s.begin(w, r, "rights", &review) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := review.Spec.ResourceAttributes
	for _, grant := range s.grants {
		is := grant.Name != "" && grant.Name == review.Spec.User || grant.Group != "" && slices.Contains(review.Spec.Groups, grant.Group)
		where := grant.Namespaces == nil || slices.Contains(grant.Namespaces, asked.Namespace)
		if is && where && slices.Contains(grant.Verbs, asked.Verb) && asked.Group == "pac.weave.works" && asked.Resource == cmp.Or(grant.Resource, "violations") {
			review.Status.Allowed = true
		}
	}
	answer(w, http.StatusCreated, &review)
}

// listNamespaces shows one a page, so that paging is needed.
func (s *Server) listNamespaces(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w, r, "namespaces", nil) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := corev1.NamespaceList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NamespaceList"}}
	at := 0
	if text := r.URL.Query().Get("continue"); text != "" {
		if _, err := fmt.Sscan(text, &at); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	if at < len(s.namespaces) {
		list.Items = []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: s.namespaces[at]}}}
	}
	if at+1 < len(s.namespaces) {
		list.Continue = fmt.Sprint(at + 1)
	}
	answer(w, http.StatusOK, &list)
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, what string, into any) bool {
	s.mu.Lock()
	s.asked[what]++
	down := s.down
	s.mu.Unlock()
	if down {
		answer(w, http.StatusInternalServerError, &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Message: "etcd is away", Code: http.StatusInternalServerError})
		return false
	}
	if into == nil {
		return true
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that has gone does not want it.
	_ = json.NewEncoder(w).Encode(body)
}
