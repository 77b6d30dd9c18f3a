// Server is an identity provider that speaks OpenID Connect, made of the certified library that Zitadel is made of, with its storage in memory and
// its login form. Clients and users are those of a test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// groupsScope is asked for to be told groups, in a claim of the same name.
const groupsScope = "groups"

// groups of the users, whose names and passwords are the same.
var groups = map[string][]string{"red": {"team-red"}, "stranger": {"others"}}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	redirect := flag.String("redirect", "", "URL that is led back to")
	flag.Parse()
	if err := serve(*listen, *redirect); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func serve(listen, redirect string) error {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	issuer := "http://" + listener.Addr().String()
	// A public client must use PKCE, one with a secret may.
	clients := map[string]*storage.Client{"public": storage.NativeClient("public", redirect), "secret": storage.WebClient("secret", "s3cret", redirect)}
	kept := provider{storage.NewStorageWithClients(users{}, clients)}
	server := &http.Server{Handler: exampleop.SetupServer(issuer, kept, slog.Default(), false), ReadHeaderTimeout: 10 * time.Second}
	fmt.Println(issuer)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// users are known by their names.
type users struct{}

// GetUserByID is a user.
func (users) GetUserByID(id string) *storage.User {
	if _, ok := groups[id]; !ok {
		return nil
	}
	return &storage.User{ID: id, Username: id, Password: id, Email: id + "@example.com", EmailVerified: true}
}

// GetUserByUsername is a user.
func (u users) GetUserByUsername(name string) *storage.User { return u.GetUserByID(name) }

// ExampleClientID is of nobody.
func (users) ExampleClientID() string { return "none" }

// provider tells groups in ID tokens.
type provider struct{ *storage.Storage }

// SetUserinfoFromRequest fills an ID token.
func (p provider) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := p.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	if slices.Contains(scopes, groupsScope) {
		info.AppendClaims(groupsScope, groups[request.GetSubject()])
	}
	return nil
}

// GetClientByClientID is a client.
func (p provider) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	found, err := p.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{found}, nil
}

// client may ask for groups, and is told everything in the ID token.
type client struct{ op.Client }

// IsScopeAllowed tells whether it may ask for a scope that is not OpenID Connect's own.
func (client) IsScopeAllowed(scope string) bool { return scope == groupsScope }

// IDTokenUserinfoClaimsAssertion tells whether e-mail address and so on are in the ID token.
func (client) IDTokenUserinfoClaimsAssertion() bool { return true }
