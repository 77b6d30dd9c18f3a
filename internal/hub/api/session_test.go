package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/assay-gitops/assay/internal/hub/auth"
)

func (b *bed) session(t *testing.T, headers ...string) Session {
	t.Helper()
	got := b.get(t, anonymous, sessionPath, headers...)
	var session Session
	if err := json.Unmarshal([]byte(got.body), &session); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %v %s", got.status, err, got.body)
	}
	return session
}

func credentials(name, password string) string {
	return fmt.Sprintf(`{"name": %q, "password": %q}`, name, password)
}

func TestASessionSaysWhoSomebodyIsAndWhatTheyMay(t *testing.T) {
	b := newBed(t)
	possible := SignInPossible{Way: "password", Path: sessionPath}
	none := b.session(t)
	if none.SignedIn || none.Name != "" || len(none.Rights) != 0 || len(none.SignIn) != 1 || none.SignIn[0] != possible {
		t.Errorf("nobody: %+v", none)
	}
	cookie := b.signIn(t, tenant)
	mine := b.session(t, "Cookie", cookie)
	if !mine.SignedIn || mine.Name != "tenant" || mine.Way != "password" || mine.ExpiresAt == nil || mine.EndsAt == nil || mine.EndsAt.Sub(*mine.ExpiresAt) < 10*time.Hour {
		t.Errorf("the tenant: %+v", mine)
	}
	var rights []string
	for _, right := range mine.Rights {
		rights = append(rights, fmt.Sprint(right.Verb, " ", right.Resource, " ", right.All, right.Namespaces))
	}
	if want := "list violations false [empty shop], get violations false [empty shop], list workspaces false [empty shop], get workspaces false [empty shop]"; strings.Join(rights, ", ") != want {
		t.Errorf("got %v, want %s", rights, want)
	}
	for _, headers := range [][]string{{"Authorization", "Bearer " + platform}, {"Cookie", b.signIn(t, platform)}} {
		if all := b.session(t, headers...); len(all.Rights) != 12 || !all.Rights[11].All || (all.ExpiresAt == nil) != (all.Way == "token") {
			t.Errorf("the platform: %+v", all)
		}
	}
	if got := b.get(t, "wrong", sessionPath, "Cookie", cookie); got.status != http.StatusUnauthorized {
		t.Errorf("a wrong token beside a session: %d", got.status)
	}
	if both := b.session(t, "Cookie", cookie, "Authorization", "Bearer "+platform); both.Name != "platform" {
		t.Errorf("a token beside a session: %+v", both)
	}
	b.cluster.SetDown(true)
	b.ahead.Add(int64(time.Minute))
	if got := b.get(t, anonymous, sessionPath, "Cookie", cookie); got.status != http.StatusServiceUnavailable {
		t.Errorf("without the API server: %d %s", got.status, got.body)
	}
	if none := b.session(t); none.SignedIn {
		t.Errorf("nobody without the API server: %+v", none)
	}
}

func TestASessionEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, b *bed, cookie string){
		"when it is signed out, every copy of it": func(t *testing.T, b *bed, cookie string) {
			got := b.send(t, http.MethodDelete, anonymous, sessionPath, "", "Cookie", cookie)
			if got.status != http.StatusNoContent || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("%d %v", got.status, got.header)
			}
		},
		"when it is not used for an hour": func(_ *testing.T, b *bed, _ string) { b.ahead.Add(int64(time.Hour + time.Second)) },
		"when the user is gone": func(t *testing.T, b *bed, _ string) {
			b.writeUsers(t, nobody)
			b.ahead.Add(int64(10 * time.Second))
		},
		"when the password changes": func(t *testing.T, b *bed, _ string) {
			b.writeUsers(t, tenant) // another hash of the same password
			b.ahead.Add(int64(10 * time.Second))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			cookie := b.signIn(t, tenant)
			if got := b.get(t, anonymous, "/v1/violations", "Cookie", cookie); got.status != http.StatusOK {
				t.Fatalf("before: %d %s", got.status, got.body)
			}
			end(t, b, cookie)
			if got := b.get(t, anonymous, "/v1/violations", "Cookie", cookie); got.status != http.StatusUnauthorized || !strings.Contains(got.problem(t), "sign in") {
				t.Errorf("afterwards: %d %s", got.status, got.body)
			}
			if b.session(t, "Cookie", cookie).SignedIn {
				t.Error("it says still signed in")
			}
		})
	}
}

func TestASessionThatIsUsedGoesOnAndNotForEver(t *testing.T) {
	b := newBed(t)
	cookie := b.signIn(t, tenant)
	began := b.session(t, "Cookie", cookie)
	hours := 0.0
	for {
		b.ahead.Add(int64(30 * time.Minute))
		got := b.get(t, anonymous, "/v1/violations", "Cookie", cookie)
		if got.status != http.StatusOK {
			break
		}
		hours += 0.5
		set := got.header.Get("Set-Cookie")
		again, err := http.ParseSetCookie(set)
		if err != nil {
			t.Fatalf("%q: %v", set, err)
		}
		cookie = again.Name + "=" + again.Value
		if now := b.session(t, "Cookie", cookie); !now.EndsAt.Equal(*began.EndsAt) {
			t.Errorf("it ends at %s, not at %s", now.EndsAt, began.EndsAt)
		}
	}
	if hours < 11 || hours > 12 {
		t.Errorf("it lasted %g hours", hours)
	}
}

func TestCookiesOfSessionsAreForNobodyElse(t *testing.T) {
	b := newBed(t)
	got := b.send(t, http.MethodPost, anonymous, sessionPath, credentials("tenant", tenant), "Content-Type", "application/json")
	set := got.header.Get("Set-Cookie")
	for _, want := range []string{auth.SessionCookie + "=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=43"} {
		if !strings.Contains(set, want) {
			t.Errorf("there is no %s in %s", want, set)
		}
	}
	if strings.Contains(set, "Domain") || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %s, %v", set, got.header)
	}
	cookie := b.signIn(t, tenant)
	name, value, _ := strings.Cut(cookie, "=")
	for what, cookie := range map[string]string{
		"changed":           name + "=" + value[:20] + "xx" + value[22:],
		"empty":             name + "=",
		"of another name":   "session=" + value,
		"with TLS's prefix": "__Host-" + cookie,
		"twice":             cookie + "; " + cookie,
	} {
		if got := b.get(t, anonymous, "/v1/violations", "Cookie", cookie); got.status != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, got.status)
		}
	}
	other := newBed(t)
	if got := other.get(t, anonymous, "/v1/violations", "Cookie", cookie); got.status != http.StatusUnauthorized {
		t.Errorf("of another hub: %d", got.status)
	}
	for _, secret := range []string{value, tenant} {
		if strings.Contains(b.log.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
	if !strings.Contains(b.log.String(), `msg="somebody signed in" who=tenant way=password`) {
		t.Errorf("the log does not tell who signed in: %s", b.log)
	}
}

func TestPagesOfOtherSitesCannotUseASession(t *testing.T) {
	b := newBed(t)
	impact := `{"without": ["Policy/known"]}`
	for _, test := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"a program that is no browser", "POST", "/v1/impact", impact, nil, 200},
		{"a page of the hub", "POST", "/v1/impact", impact, []string{"Sec-Fetch-Site", "same-origin", "Origin", b.url}, 200},
		{"a page of the hub in an old browser", "POST", "/v1/impact", impact, []string{"Origin", b.url}, 200},
		{"another site", "POST", "/v1/impact", impact, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site in an old browser", "POST", "/v1/impact", impact, []string{"Origin", "https://evil.example"}, 403},
		{"a page without an origin", "POST", "/v1/impact", impact, []string{"Origin", "null"}, 403},
		{"another host of the domain", "POST", "/v1/impact", impact, []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example"}, 403},
		{"another site that signs somebody out", "DELETE", sessionPath, "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site that signs somebody in", "POST", sessionPath, credentials("tenant", tenant), []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a link from another site", "GET", "/v1/policies", "", []string{"Sec-Fetch-Site", "cross-site"}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			headers := append([]string{"Cookie", b.signIn(t, platform), "Content-Type", "application/json"}, test.headers...)
			got := b.send(t, test.method, anonymous, test.path, test.body, headers...)
			if got.status != test.want {
				t.Errorf("%d %s", got.status, got.body)
			}
			if test.want == http.StatusForbidden && (!strings.Contains(got.problem(t), "another site") || got.header.Get("Set-Cookie") != "") {
				t.Errorf("%v %s", got.header, got.body)
			}
		})
	}
}

func TestGuessingPasswordsIsSlow(t *testing.T) {
	t.Run("of one client", func(t *testing.T) {
		b := newBed(t, func(o *Options) { o.Rate = 2 })
		guesses := 0
		for i := range 30 {
			if got := b.send(t, http.MethodPost, anonymous, sessionPath, credentials(fmt.Sprint("somebody-", i), "guess"), "Content-Type", "application/json"); got.status == http.StatusUnauthorized {
				guesses++
			}
		}
		if guesses == 0 || guesses > 4 {
			t.Errorf("%d guesses at once", guesses)
		}
	})
	for _, name := range []string{"tenant", "who-does-not-exist"} {
		t.Run("of one name: "+name, func(t *testing.T) {
			b := newBed(t)
			guesses := 0
			var last answer
			for i := range 30 {
				last = b.send(t, http.MethodPost, anonymous, sessionPath, credentials(name, fmt.Sprint("guess-", i)), "Content-Type", "application/json")
				if last.status == http.StatusUnauthorized {
					guesses++
				}
			}
			if guesses != 20 || last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") == "" {
				t.Errorf("%d guesses at once, then %d", guesses, last.status)
			}
			last.problem(t)
			if other := b.send(t, http.MethodPost, anonymous, sessionPath, credentials("platform", platform), "Content-Type", "application/json"); other.status != http.StatusOK {
				t.Errorf("another name: %d", other.status)
			}
			b.ahead.Add(int64(11 * time.Second))
			again := b.send(t, http.MethodPost, anonymous, sessionPath, credentials(name, tenant), "Content-Type", "application/json")
			if (again.status == http.StatusOK) != (name == "tenant") || again.status == http.StatusTooManyRequests {
				t.Errorf("after a while: %d", again.status)
			}
		})
	}
}

func TestProgramsInABrowserMakeItAskForNoPassword(t *testing.T) {
	b := newBed(t)
	for destination, want := range map[string]int{"": 2, "document": 2, "empty": 1} {
		if got := b.get(t, anonymous, "/v1/violations", "Sec-Fetch-Dest", destination); len(got.header.Values("WWW-Authenticate")) != want {
			t.Errorf("%q: %v", destination, got.header.Values("WWW-Authenticate"))
		}
	}
}

func TestWhatIsNoSignInIsRefused(t *testing.T) {
	b := newBed(t)
	for name, test := range map[string]struct {
		body, media string
		want        int
	}{
		"a form":           {"name=tenant&password=x", "application/x-www-form-urlencoded", 415},
		"more than that":   {`{"name": "tenant", "password": "x", "admin": true}`, "application/json", 422},
		"no name":          {credentials("", "x"), "application/json", 422},
		"a long password":  {credentials("tenant", strings.Repeat("x", 300)), "application/json", 422},
		"a very long body": {credentials("tenant", strings.Repeat("x", 10_000)), "application/json", 413},
		"no JSON":          {"tenant", "application/json", 400},
	} {
		got := b.send(t, http.MethodPost, anonymous, sessionPath, test.body, "Content-Type", test.media)
		if got.status != test.want || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}
