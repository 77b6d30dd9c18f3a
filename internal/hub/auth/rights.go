package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/assay-gitops/assay/internal/hub/store"
)

const (
	// missing is how long namespaces in which somebody had no right are not asked about again, when they have rights elsewhere. In a
	// cluster with a thousand namespaces asking about all of them is seconds of an API server's work.
	missing = time.Minute
	// maxScopes bounds how many users' rights are remembered.
	maxScopes = 1024
	// parallelQuestions bounds the questions about one user at a time.
	parallelQuestions = 16
	// pageOfNamespaces is how many the API server lists at once.
	pageOfNamespaces = 500
)

// rights asks the API server what users may see, and remembers what it said.
type rights struct {
	client  kubernetes.Interface
	cluster string
	now     clock
	// scopes has known values.
	scopes *cache.LRUExpireCache
	flight singleflight.Group

	mu         sync.Mutex
	namespaces []string
	until      time.Time
}

// right is to do something with a resource.
type right struct {
	Verb     Verb
	Resource Resource
}

// known is what the API server said about a user.
type known struct {
	scope store.Scope
	// until when it is believed, and complete until when there may be no more rights than those.
	until, complete time.Time
	// asked are the namespaces that there were. The list is shared and not changed.
	asked []string
}

func newRights(client kubernetes.Interface, cluster string, now clock) *rights {
	return &rights{client: client, cluster: cluster, now: now, scopes: cache.NewLRUExpireCacheWithClock(maxScopes, now)}
}

// scope is what a user may see; the zero one is nothing.
func (r *rights) scope(ctx context.Context, who user, what right) (store.Scope, error) {
	// Groups and extra values count: a webhook may decide by them.
	identity, err := json.Marshal(struct {
		User  user
		Right right
	}{who, what})
	if err != nil {
		return store.Scope{}, fmt.Errorf("encoding who asks: %w", err)
	}
	key := sha256.Sum256(identity)
	var before known
	if remembered, ok := r.scopes.Get(key); ok {
		if before = remembered.(known); r.now().Before(before.until) {
			return before.scope, nil
		}
	}
	answers := r.flight.DoChan(string(key[:]), func() (any, error) {
		ctx, cancel := asking(ctx)
		defer cancel()
		now, err := r.ask(ctx, who, what, before)
		if err != nil {
			return nil, err
		}
		r.scopes.Add(key, now, missing)
		return now.scope, nil
	})
	select {
	case <-ctx.Done():
		return store.Scope{}, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			return store.Scope{}, answer.Err
		}
		return answer.Val.(store.Scope), nil
	}
}

func (r *rights) ask(ctx context.Context, who user, what right, before known) (known, error) {
	now := r.now()
	answer := known{until: now.Add(believed)}
	all, err := r.may(ctx, who, what, "")
	if err != nil || all || !what.Resource.inNamespaces() {
		answer.scope.All = all
		return answer, err
	}
	if answer.asked, err = r.candidates(ctx); err != nil {
		return known{}, err
	}
	candidates := answer.asked
	if now.Before(before.complete) {
		answer.complete = before.complete
		candidates = worthAsking(candidates, before, r.cluster)
	} else {
		answer.complete = now.Add(missing)
	}
	allowed := make([]bool, len(candidates))
	questions, ctx := errgroup.WithContext(ctx)
	questions.SetLimit(parallelQuestions)
	for i, namespace := range candidates {
		questions.Go(func() (err error) {
			allowed[i], err = r.may(ctx, who, what, namespace)
			return err
		})
	}
	if err := questions.Wait(); err != nil {
		return known{}, err
	}
	var seen []string
	for i, namespace := range candidates {
		if allowed[i] {
			seen = append(seen, namespace)
		}
	}
	if seen == nil {
		// Who is refused gets a right and tries again.
		answer.complete = time.Time{}
		return answer, nil
	}
	answer.scope.Namespaces = map[string][]string{r.cluster: seen}
	return answer, nil
}

// worthAsking are the namespaces in which there was a right, and new ones.
func worthAsking(candidates []string, before known, cluster string) []string {
	old := make(map[string]bool, len(before.asked))
	for _, namespace := range before.asked {
		old[namespace] = true
	}
	for _, namespace := range before.scope.Namespaces[cluster] {
		old[namespace] = false
	}
	var worth []string
	for _, namespace := range candidates {
		if !old[namespace] {
			worth = append(worth, namespace)
		}
	}
	return worth
}

// may asks about a namespace; the empty one is all of them.
func (r *rights) may(ctx context.Context, who user, what right, namespace string) (bool, error) {
	extra := make(map[string]authorizationv1.ExtraValue, len(who.Extra))
	for key, values := range who.Extra {
		extra[key] = authorizationv1.ExtraValue(values)
	}
	review, err := r.client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: who.Username, Groups: who.Groups, UID: who.UID, Extra: extra,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: Group, Resource: string(what.Resource), Verb: string(what.Verb), Namespace: namespace},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return false, unavailable("rights", err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

// candidates are the namespaces of the cluster. A namespace that is gone grants nothing, whatever is kept of it.
func (r *rights) candidates(ctx context.Context) ([]string, error) {
	// Who waits here waits for one list, and then has it.
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.namespaces, nil
	}
	var names []string
	options := metav1.ListOptions{Limit: pageOfNamespaces}
	for {
		page, err := r.client.CoreV1().Namespaces().List(ctx, options)
		if err != nil {
			return nil, unavailable("the cluster's namespaces", err)
		}
		for i := range page.Items {
			names = append(names, page.Items[i].Name)
		}
		if page.Continue == "" {
			break
		}
		options.Continue = page.Continue
	}
	r.namespaces, r.until = names, r.now().Add(believed)
	return names, nil
}
