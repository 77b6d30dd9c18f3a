package auth

import (
	"context"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"

	"golang.org/x/sync/singleflight"
)

// maxTokens bounds how many reviews are remembered.
const maxTokens = 4096

type user = authenticationv1.UserInfo

// clock is a function as what the caches want.
type clock func() time.Time

// Now is the time.
func (c clock) Now() time.Time { return c() }

// tokens asks the API server about tokens, and remembers those that were good. Bad ones are asked about each time: remembering them would
// let strangers push the good ones out.
type tokens struct {
	client kubernetes.Interface
	good   *cache.LRUExpireCache
	flight singleflight.Group
}

type tokenKey struct {
	token    secret
	audience string
}

func newTokens(client kubernetes.Interface, now clock) *tokens {
	return &tokens{client: client, good: cache.NewLRUExpireCacheWithClock(maxTokens, now)}
}

// review tells who a token is of, when it is for the audience; the empty one is that of the API server.
func (t *tokens) review(ctx context.Context, token, audience string) (who user, ok bool, err error) {
	key := tokenKey{hashed(token), audience}
	if known, ok := t.good.Get(key); ok {
		return known.(user), true, nil
	}
	answers := t.flight.DoChan(string(key.token[:])+audience, func() (any, error) {
		ctx, cancel := asking(ctx)
		defer cancel()
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		if audience != "" {
			review.Spec.Audiences = []string{audience}
		}
		review, err := t.client.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			return nil, unavailable("a review of the token", err)
		}
		// An authenticator that knows no audiences answers with none: the token may be for anything.
		if !review.Status.Authenticated || review.Status.User.Username == "" || audience != "" && !slices.Contains(review.Status.Audiences, audience) {
			return nil, nil
		}
		t.good.Add(key, review.Status.User, believed)
		return review.Status.User, nil
	})
	select {
	case <-ctx.Done():
		return user{}, false, ctx.Err()
	case answer := <-answers:
		if answer.Err != nil {
			return user{}, false, answer.Err
		}
		who, ok = answer.Val.(user)
		return who, ok, nil
	}
}
