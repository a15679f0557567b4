// Command msal-go gets tokens with MSAL for Go, unpatched and without any option that a user with a Microsoft tenant
// wouldn't set. It prints a line `ok what` or `FAILED what: why` for each check.
//
//	msal-go CLIENT SECRET TENANT GOVERNMENT CERTIFICATE FEDERATED_TOKEN
//
// CERTIFICATE is a PEM file with certificate and key.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
)

const (
	public             = "https://login.microsoftonline.com/"
	usGovernment       = "https://login.microsoftonline.us/"
	audience           = "https://api.securitycenter.microsoft.com"
	governmentAudience = "https://api-gov.securitycenter.microsoft.us"
	arguments          = 6
	// appidacr, how an application proved itself.
	bySecret    = "1"
	byAssertion = "2"
)

type claims struct {
	Tenant   string `json:"tid"`
	Audience string `json:"aud"`
	Client   string `json:"appid"`
	By       string `json:"appidacr"`
}

func main() {
	if len(os.Args) != 1+arguments {
		fmt.Fprintln(os.Stderr, "msal-go: six arguments are needed")
		os.Exit(2)
	}
	client, secret, tenant, government := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	certificateFile, tokenFile := os.Args[5], os.Args[6]

	gets := func(credential func() (confidential.Credential, error), login, tenant, audience, by string) error {
		actual, err := acquire(credential, client, login+tenant, audience)
		if err != nil {
			return err
		}
		if expected := (claims{tenant, audience, client, by}); actual != expected {
			return fmt.Errorf("expected %v, got %v", expected, actual)
		}
		return nil
	}
	certificate := func() (confidential.Credential, error) { return fromCertificate(certificateFile) }

	check("MSAL for Go gets a token with a secret", func() error {
		return gets(fromSecret(secret), public, tenant, audience, bySecret)
	})
	check("MSAL for Go gets a token with a certificate", func() error {
		return gets(certificate, public, tenant, audience, byAssertion)
	})
	check("MSAL for Go gets a token with a service account's token", func() error {
		return gets(fromFile(tokenFile), public, tenant, audience, byAssertion)
	})
	check("MSAL for Go gets a token in Azure Government", func() error {
		return gets(certificate, usGovernment, government, governmentAudience, byAssertion)
	})
	check("MSAL for Go tells of a wrong secret", func() error {
		_, err := acquire(fromSecret("wrong"), client, public+tenant, audience)
		if err == nil || !strings.Contains(err.Error(), "AADSTS7000215: ") {
			return fmt.Errorf("it says: %w", err)
		}
		return nil
	})
}

func check(what string, test func() error) {
	if err := test(); err != nil {
		fmt.Printf("FAILED %s: %s\n", what, strings.Join(strings.Fields(err.Error()), " "))
		return
	}
	fmt.Printf("ok %s\n", what)
}

func acquire(
	credential func() (confidential.Credential, error), client, authority, audience string,
) (claims, error) {
	proof, err := credential()
	if err != nil {
		return claims{}, err
	}
	app, err := confidential.New(authority, client, proof)
	if err != nil {
		return claims{}, err
	}
	answer, err := app.AcquireTokenByCredential(context.Background(), []string{audience + "/.default"})
	if err != nil {
		return claims{}, err
	}
	return read(answer.AccessToken)
}

func fromSecret(secret string) func() (confidential.Credential, error) {
	return func() (confidential.Credential, error) { return confidential.NewCredFromSecret(secret) }
}

func fromCertificate(file string) (confidential.Credential, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return confidential.Credential{}, err
	}
	certificates, key, err := confidential.CertFromPEM(pem, "")
	if err != nil {
		return confidential.Credential{}, err
	}
	return confidential.NewCredFromCert(certificates, key)
}

func fromFile(file string) func() (confidential.Credential, error) {
	read := func(context.Context, confidential.AssertionRequestOptions) (string, error) {
		token, err := os.ReadFile(file)
		return string(token), err
	}
	return func() (confidential.Credential, error) { return confidential.NewCredFromAssertionCallback(read), nil }
}

func read(token string) (claims, error) {
	var read claims
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return read, errors.New("the access token is none")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return read, err
	}
	return read, json.Unmarshal(payload, &read)
}
