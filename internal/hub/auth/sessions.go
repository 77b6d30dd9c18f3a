package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"

	"github.com/assay-gitops/assay/internal/hub/auth/sealed"
)

const (
	// DefaultSessionMaxAge is how long a session lasts at most: a day's work.
	DefaultSessionMaxAge = 12 * time.Hour
	// MinSessionMaxAge is the least that it may be.
	MinSessionMaxAge = time.Minute
	// maxIdle is how long a session lasts that is not used, and renewEvery how often it is noted that it is.
	maxIdle    = time.Hour
	renewEvery = 5 * time.Minute
	// maxCookie bounds a cookie's name and value: browsers drop one that is larger without a word.
	maxCookie = 4096
	// maxEnded bounds how many sessions that were ended are remembered.
	maxEnded = 65_536

	// SessionCookie is the name of the cookie of a session; over TLS hostPrefix is before it.
	SessionCookie = "assay-session"
	// hostPrefix makes a browser take a cookie over TLS only, from this host and for it only, so that nobody beside it can set one.
	hostPrefix = "__Host-"
)

// session is what its cookie holds.
type session struct {
	// ID is what it is forgotten by when it is ended.
	ID  string `json:"i"`
	Way Way    `json:"w"`
	// Name and Groups are the user's; the groups of a user with a password are in the file.
	Name   string   `json:"n"`
	Groups []string `json:"g,omitempty"`
	// Source is what a session is good for as long as it is the same: the password that it began with, or the provider.
	Source string `json:"s"`
	// Began and Used are seconds since 1970.
	Began int64 `json:"b"`
	Used  int64 `json:"u"`
}

// sessions of browsers are in their cookies, which nobody can read or change. The hub keeps the IDs of those that were ended early.
type sessions struct {
	keys   func() *sealed.Keys
	maxAge time.Duration
	now    clock
	// ended has IDs, of sessions and of sign-ins that are over.
	ended *cache.LRUExpireCache
	// once is for ending something that nobody else has ended.
	once sync.Mutex
}

func newSessions(o *Options) (*sessions, error) {
	s := &sessions{maxAge: o.SessionMaxAge, now: o.Now, ended: cache.NewLRUExpireCacheWithClock(maxEnded, clock(o.Now))}
	if s.maxAge == 0 {
		s.maxAge = DefaultSessionMaxAge
	}
	if s.maxAge < MinSessionMaxAge {
		return nil, fmt.Errorf("making the hub's authentication: a session of %s at most is too short", s.maxAge)
	}
	if o.SessionKeys == "" {
		keys := sealed.Random()
		s.keys = func() *sealed.Keys { return keys }
		return s, nil
	}
	file, err := watch(o.SessionKeys, sealed.ParseKeys, o.Logger, o.Now)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of sessions: %w", err)
	}
	s.keys = file.get
	return s, nil
}

// seal is the value of a cookie.
func (s *sessions) seal(purpose string, value any) (string, error) {
	text, err := s.keys().Seal(purpose, value)
	if err != nil {
		return "", fmt.Errorf("sealing a %s: %w", purpose, err)
	}
	return text, nil
}

// until is when a session ends, unless it is used, and at the latest.
func (s *sessions) until(of *session) (expires, ends time.Time) {
	ends = time.Unix(of.Began, 0).Add(s.maxAge)
	if expires = time.Unix(of.Used, 0).Add(maxIdle); expires.After(ends) {
		expires = ends
	}
	return expires, ends
}

// endOnce ends what has an ID, and tells whether it was not ended before.
func (s *sessions) endOnce(id string, remembered time.Duration) bool {
	s.once.Lock()
	defer s.once.Unlock()
	if _, before := s.ended.Get(id); before {
		return false
	}
	s.ended.Add(id, true, remembered)
	return true
}

// begin is a session of somebody that starts now.
func (s *sessions) begin(way Way, name string, groups []string, source string) *session {
	now := s.now().Unix()
	return &session{ID: rand.Text(), Way: way, Name: name, Groups: groups, Source: source, Began: now, Used: now}
}

// findSession is the session of a request's cookie. The error is a *Refusal.
func (a *Auth) findSession(r *http.Request) (*session, error) {
	cookies := r.CookiesNamed(a.cookieName(r, SessionCookie))
	switch len(cookies) {
	case 0:
		return nil, unauthenticated("say who you are: sign in, or send a token of cluster " + a.cluster + " as Authorization: Bearer, such as kubectl create token prints")
	case 1:
	default:
		return nil, unauthenticated("the request has several sessions: sign in again")
	}
	var found session
	if err := a.sessions.keys().Open(SessionCookie, cookies[0].Value, &found); err != nil {
		if !errors.Is(err, sealed.ErrNot) {
			return nil, &Refusal{Reason: Unauthenticated, Detail: "the session cannot be read: sign in again", Cause: err}
		}
		return nil, unauthenticated("the session has ended or is not one of this hub: sign in again")
	}
	expires, _ := a.sessions.until(&found)
	if _, ended := a.sessions.ended.Get(found.ID); ended || !a.sessions.now().Before(expires) {
		return nil, unauthenticated("the session has ended: sign in again")
	}
	return &found, nil
}

// signedIn is who has the session of a request.
func (a *Auth) signedIn(r *http.Request) (Identity, error) {
	found, err := a.findSession(r)
	if err != nil {
		return Identity{}, err
	}
	who := user{Username: found.Name, Groups: found.Groups}
	switch found.Way {
	case ByPassword:
		var mark string
		ok := a.users != nil
		if ok {
			mark, who.Groups, ok = a.users.mark(found.Name)
		}
		if !ok || mark != found.Source {
			return Identity{}, unauthenticated("the session has ended, as the password has changed or the user is gone: sign in again")
		}
	case ByProvider:
		if a.provider == nil || a.provider.Mark() != found.Source {
			return Identity{}, unauthenticated("the session has ended, as the hub has another identity provider now: sign in again")
		}
		who = providerUser(found)
	default:
		return Identity{}, unauthenticated("the session has ended: sign in again")
	}
	return a.identity(found, who), nil
}

// sessionCookie is the cookie of a session.
func (a *Auth) sessionCookie(r *http.Request, of *session) (*http.Cookie, error) {
	value, err := a.sessions.seal(SessionCookie, of)
	if err != nil {
		return nil, err
	}
	_, ends := a.sessions.until(of)
	cookie := a.cookie(r, SessionCookie, value, ends.Sub(a.sessions.now()))
	if size := len(cookie.Name) + len(cookie.Value); size > maxCookie {
		return nil, &Refusal{Reason: Forbidden, Detail: fmt.Sprintf(
			"there are more groups than fit into a session (%d groups make %d bytes, and browsers keep %d): have the provider tell fewer, such as those that are assigned to the hub only",
			len(of.Groups), size, maxCookie)}
	}
	return cookie, nil
}

// cookie is one that scripts cannot read and other sites cannot use, except to lead here.
func (a *Auth) cookie(r *http.Request, name, value string, lasts time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: a.cookieName(r, name), Value: value, Path: "/", MaxAge: max(1, int(lasts/time.Second)),
		Secure: a.secure(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// gone is the cookie that removes one.
func (a *Auth) gone(r *http.Request, name string) *http.Cookie {
	cookie := a.cookie(r, name, "", 0)
	cookie.MaxAge = -1
	return cookie
}

func (a *Auth) cookieName(r *http.Request, name string) string {
	if a.secure(r) {
		return hostPrefix + name
	}
	return name
}

// secure tells whether the browser speaks TLS, with the hub or with a proxy before it.
func (a *Auth) secure(r *http.Request) bool {
	return r.TLS != nil || a.external != nil && a.external.Scheme == "https"
}

// SignIn begins a session with a name and a password. The cookie is for the answer. An error is a *Refusal, or the context's.
func (a *Auth) SignIn(r *http.Request, name, password string) (*http.Cookie, Identity, error) {
	found, err := a.password(r, name, password)
	if err != nil {
		return nil, Identity{}, err
	}
	mark, groups, ok := a.users.mark(name)
	if !ok {
		return nil, Identity{}, unauthenticated("name or password is wrong")
	}
	begun := a.sessions.begin(ByPassword, found.Username, nil, mark)
	cookie, err := a.sessionCookie(r, begun)
	if err != nil {
		return nil, Identity{}, err
	}
	found.Groups = groups
	return cookie, a.identity(begun, found), nil
}

// identity is who a session is of.
func (a *Auth) identity(of *session, who user) Identity {
	expires, ends := a.sessions.until(of)
	return Identity{user: who, Way: of.Way, Session: &Session{Expires: expires, Ends: ends}, session: of}
}

// SignOut ends the session of a request and tells whose it was; the empty name is nobody's. The cookie is for the answer, and a copy of the old
// one is good for nothing.
func (a *Auth) SignOut(r *http.Request) (who string, cookie *http.Cookie) {
	if found, err := a.findSession(r); err == nil {
		_, ends := a.sessions.until(found)
		a.sessions.endOnce(found.ID, ends.Sub(a.sessions.now()))
		who = found.Name
	}
	return who, a.gone(r, SessionCookie)
}
