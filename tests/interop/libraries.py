"""MSAL for Python and azure-identity for Python, unpatched and without any option that a user with a Microsoft tenant
wouldn't set. Prints a line `ok what` or `FAILED what: why` for each check.

    libraries.py CLIENT SECRET CONSENTED UNCONSENTED UNKNOWN GOVERNMENT CERTIFICATE FEDERATED_TOKEN

CERTIFICATE is a PEM file with certificate and key, FEDERATED_TOKEN a file with a service account's token.
"""

import base64
import json
import pathlib
import sys
import time

import azure.identity
import cryptography.hazmat.primitives.hashes
import cryptography.x509
import msal
import requests
from azure.core.exceptions import ClientAuthenticationError

CLIENT, SECRET, CONSENTED, UNCONSENTED, UNKNOWN, GOVERNMENT, CERTIFICATE, FEDERATED_TOKEN = sys.argv[1:]
PUBLIC = "https://login.microsoftonline.com"
US_GOVERNMENT = "https://login.microsoftonline.us"
AUDIENCE = "https://api.securitycenter.microsoft.com"
OLD_AUDIENCE = "https://securitycenter.onmicrosoft.com/windowsatpservice"
GOVERNMENT_AUDIENCE = "https://api-gov.securitycenter.microsoft.us"


def same(expected, actual):
    assert expected == actual, f"expected {expected!r}, got {actual!r}"


# `appidacr`: how the application proved itself.
BY_SECRET, BY_ASSERTION = "1", "2"


def check_token(token, tenant, audience, by=BY_SECRET):
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    actual = {name: claims.get(name) for name in ("tid", "aud", "appid", "appidacr", "roles")}
    expected = {"tid": tenant, "aud": audience, "appid": CLIENT, "appidacr": by, "roles": ["Alert.Read.All"]}
    same(expected, actual)


def open_alerts(token, url="https://api.security.microsoft.com"):
    headers = {"Authorization": f"Bearer {token}"}
    same(200, requests.get(f"{url}/api/alerts?$top=1", headers=headers, timeout=30).status_code)


def read(path):
    return pathlib.Path(path).read_text(encoding="ascii")


def with_msal(tenant=CONSENTED, secret=SECRET, audience=AUDIENCE, login=PUBLIC):
    app = msal.ConfidentialClientApplication(CLIENT, client_credential=secret, authority=f"{login}/{tenant}")
    return app, app.acquire_token_for_client(scopes=[f"{audience}/.default"])


def with_azure(tenant=CONSENTED, secret=SECRET, audience=AUDIENCE, **options):
    with azure.identity.ClientSecretCredential(tenant, CLIENT, secret, **options) as credential:
        return credential.get_token(f"{audience}/.default")


def msal_gets_a_token_that_opens_the_api():
    app, answer = with_msal()
    check_token(answer["access_token"], CONSENTED, AUDIENCE)
    assert 3599 <= answer["expires_in"] <= 5400, answer["expires_in"]
    open_alerts(answer["access_token"])
    again = app.acquire_token_for_client(scopes=[f"{AUDIENCE}/.default"])
    same(("cache", answer["access_token"]), (again["token_source"], again["access_token"]))


def msal_gets_a_token_for_the_old_name():
    _, answer = with_msal(audience=OLD_AUDIENCE)
    check_token(answer["access_token"], CONSENTED, OLD_AUDIENCE)


def msal_gets_a_token_in_azure_government():
    _, answer = with_msal(tenant=GOVERNMENT, audience=GOVERNMENT_AUDIENCE, login=US_GOVERNMENT)
    check_token(answer["access_token"], GOVERNMENT, GOVERNMENT_AUDIENCE)
    open_alerts(answer["access_token"], GOVERNMENT_AUDIENCE)


def msal_tells_of_a_wrong_secret():
    _, answer = with_msal(secret="wrong")
    same(("invalid_client", [7000215]), (answer["error"], answer["error_codes"]))
    assert answer["error_description"].startswith("AADSTS7000215: "), answer["error_description"]
    assert answer["correlation_id"] and answer["trace_id"]


def msal_tells_of_missing_consent():
    _, answer = with_msal(tenant=UNCONSENTED)
    same([7000229], answer["error_codes"])


def msal_tells_of_an_unknown_tenant():
    try:
        _, answer = with_msal(tenant=UNKNOWN)
    except ValueError as error:  # MSAL's own words for a tenant without OpenID configuration
        assert "Unable to get authority configuration" in str(error), error
    else:
        same([90002], answer["error_codes"])


def msal_gets_a_token_with_a_certificate():
    pem = read(CERTIFICATE)
    _, answer = with_msal(secret={"private_key": pem, "public_certificate": pem})
    check_token(answer["access_token"], CONSENTED, AUDIENCE, BY_ASSERTION)
    open_alerts(answer["access_token"])


def msal_gets_a_token_with_a_certificate_and_its_old_thumbprint():
    pem = read(CERTIFICATE)
    certificate = cryptography.x509.load_pem_x509_certificate(pem.encode())
    thumbprint = certificate.fingerprint(cryptography.hazmat.primitives.hashes.SHA1()).hex()
    _, answer = with_msal(secret={"private_key": pem, "thumbprint": thumbprint})
    check_token(answer["access_token"], CONSENTED, AUDIENCE, BY_ASSERTION)


def msal_gets_a_token_with_a_service_accounts_token():
    _, answer = with_msal(secret={"client_assertion": read(FEDERATED_TOKEN)})
    check_token(answer["access_token"], CONSENTED, AUDIENCE, BY_ASSERTION)
    open_alerts(answer["access_token"])


def azure_identity_gets_a_token_that_opens_the_api():
    answer = with_azure()
    check_token(answer.token, CONSENTED, AUDIENCE)
    assert 3500 <= answer.expires_on - time.time() <= 5400, answer.expires_on
    open_alerts(answer.token)


def azure_identity_gets_a_token_for_the_old_name():
    check_token(with_azure(audience=OLD_AUDIENCE).token, CONSENTED, OLD_AUDIENCE)


def azure_identity_gets_a_token_in_azure_government():
    authority = azure.identity.AzureAuthorityHosts.AZURE_GOVERNMENT
    answer = with_azure(tenant=GOVERNMENT, audience=GOVERNMENT_AUDIENCE, authority=authority)
    check_token(answer.token, GOVERNMENT, GOVERNMENT_AUDIENCE)


def azure_identity_gets_a_token_with_a_certificate():
    for options in [{"certificate_path": CERTIFICATE}, {"certificate_data": read(CERTIFICATE).encode()}]:
        with azure.identity.CertificateCredential(CONSENTED, CLIENT, **options) as credential:
            check_token(credential.get_token(f"{AUDIENCE}/.default").token, CONSENTED, AUDIENCE, BY_ASSERTION)


def azure_identity_gets_a_token_with_a_certificate_and_its_chain():
    options = {"certificate_path": CERTIFICATE, "send_certificate_chain": True}
    with azure.identity.CertificateCredential(CONSENTED, CLIENT, **options) as credential:
        check_token(credential.get_token(f"{AUDIENCE}/.default").token, CONSENTED, AUDIENCE, BY_ASSERTION)


def azure_identity_gets_a_token_with_a_certificate_in_azure_government():
    authority = azure.identity.AzureAuthorityHosts.AZURE_GOVERNMENT
    with azure.identity.CertificateCredential(GOVERNMENT, CLIENT, CERTIFICATE, authority=authority) as credential:
        token = credential.get_token(f"{GOVERNMENT_AUDIENCE}/.default").token
    check_token(token, GOVERNMENT, GOVERNMENT_AUDIENCE, BY_ASSERTION)


def azure_identity_gets_a_token_with_a_service_accounts_token():
    with azure.identity.ClientAssertionCredential(CONSENTED, CLIENT, lambda: read(FEDERATED_TOKEN)) as credential:
        token = credential.get_token(f"{AUDIENCE}/.default").token
    check_token(token, CONSENTED, AUDIENCE, BY_ASSERTION)
    open_alerts(token)


def azure_identity_gets_a_token_as_a_workload():
    options = {"tenant_id": CONSENTED, "client_id": CLIENT, "token_file_path": FEDERATED_TOKEN}
    with azure.identity.WorkloadIdentityCredential(**options) as credential:
        token = credential.get_token(f"{AUDIENCE}/.default").token
    check_token(token, CONSENTED, AUDIENCE, BY_ASSERTION)


def azure_identity_raises(code, **options):
    try:
        with_azure(**options)
    except ClientAuthenticationError as error:
        assert f"AADSTS{code}: " in error.message, error.message
    else:
        raise AssertionError("there was no error")


def azure_identity_tells_of_a_wrong_secret():
    azure_identity_raises(7000215, secret="wrong")


def azure_identity_tells_of_missing_consent():
    azure_identity_raises(7000229, tenant=UNCONSENTED)


def main():
    for name, test in list(globals().items()):
        if not name.startswith(("msal_", "azure_identity_")) or name == "azure_identity_raises":
            continue
        what = name.replace("azure_identity_", "azure-identity ").replace("_", " ")
        try:
            test()
            print(f"ok {what}", flush=True)
        except Exception as error:  # noqa: BLE001: each check is told apart
            print(f"FAILED {what}: {type(error).__name__}: {' '.join(str(error).split())}", flush=True)


main()
