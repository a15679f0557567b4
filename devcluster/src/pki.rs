//! The cluster's own certificates and keys. EC P-256, which is made in no time, unlike RSA; RSA where others ask for it.

use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize,
};

use crate::error::Error;
use crate::node::{self, Network};
use crate::private;

/// What the API server's certificate must be valid for, the first service address included.
const SERVER_NAMES: [&str; 8] = [
    "127.0.0.1",
    "::1",
    "10.96.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];
/// Root's group in Kubernetes: allowed everything, RBAC or not.
const ADMINISTRATORS: &str = "system:masters";

/// The API server's name before the kubelet.
pub(crate) const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";
/// CoreDNS' name before the API server.
pub(crate) const COREDNS: &str = "system:coredns";

/// A certificate and its private key, as PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Everything that the components and the administrator need.
pub(crate) struct Pki {
    dir: PathBuf,
    pub(crate) ca: String,
    pub(crate) admin: Identity,
    pub(crate) controller_manager: Identity,
    /// By component; none without a node.
    node: Vec<(&'static str, Identity)>,
}

impl Pki {
    /// Makes all of it; what the components read is written to `dir`.
    pub(crate) fn generate(dir: &Path, network: Option<&Network>) -> Result<Pki, Error> {
        std::fs::create_dir(dir).map_err(Error::io("make", dir))?;
        let ca = authority()?;
        let mut names = SERVER_NAMES.map(str::to_owned).to_vec();
        names.extend(
            network
                .iter()
                .flat_map(|network| [network.host(), network.kubernetes()]),
        );
        let server = server(&ca, "kube-apiserver", None, names)?;
        // RS256, as on kubeadm's and every cloud's clusters: Microsoft Entra takes no other from an issuer.
        let service_accounts = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        let pki = Pki {
            dir: dir.to_owned(),
            ca: ca.pem(),
            admin: client(&ca, "kubernetes-admin", Some(ADMINISTRATORS))?,
            controller_manager: client(&ca, "system:kube-controller-manager", None)?,
            node: network.map_or(Ok(vec![]), |_| node_clients(&ca))?,
        };
        private::write(&pki.ca_file(), &pki.ca)?;
        private::write(&pki.ca_key(), &ca.key().serialize_pem())?;
        private::write(&pki.server_certificate(), &server.certificate)?;
        private::write(&pki.server_key(), &server.key)?;
        private::write(
            &pki.service_account_key(),
            &service_accounts.serialize_pem(),
        )?;
        private::write(
            &pki.service_account_public_key(),
            &service_accounts.public_key_pem(),
        )?;
        if let Some(network) = network {
            let user = format!("system:node:{}", node::NAME);
            let kubelet = self::server(&ca, &user, Some("system:nodes"), vec![network.node()])?;
            private::write(&pki.kubelet_certificate(), &kubelet.certificate)?;
            private::write(&pki.kubelet_key(), &kubelet.key)?;
            let asks = client(&ca, KUBELET_CLIENT, None)?;
            private::write(&pki.kubelet_client_certificate(), &asks.certificate)?;
            private::write(&pki.kubelet_client_key(), &asks.key)?;
        }
        Ok(pki)
    }

    /// As whom the parts of the node come to the API server, by component.
    pub(crate) fn node_identities(&self) -> impl Iterator<Item = (&'static str, &Identity)> {
        self.node.iter().map(|(name, identity)| (*name, identity))
    }

    pub(crate) fn kubelet_certificate(&self) -> PathBuf {
        self.dir.join("kubelet.crt")
    }

    pub(crate) fn kubelet_key(&self) -> PathBuf {
        self.dir.join("kubelet.key")
    }

    pub(crate) fn kubelet_client_certificate(&self) -> PathBuf {
        self.dir.join("apiserver-kubelet-client.crt")
    }

    pub(crate) fn kubelet_client_key(&self) -> PathBuf {
        self.dir.join("apiserver-kubelet-client.key")
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    pub(crate) fn ca_key(&self) -> PathBuf {
        self.dir.join("ca.key")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.dir.join("apiserver.crt")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.dir.join("apiserver.key")
    }

    pub(crate) fn service_account_key(&self) -> PathBuf {
        self.dir.join("service-accounts.key")
    }

    pub(crate) fn service_account_public_key(&self) -> PathBuf {
        self.dir.join("service-accounts.pub")
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, Error> {
    let mut params = validity(CertificateParams::default());
    params
        .distinguished_name
        .push(DnType::CommonName, "devcluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn client(
    ca: &CertifiedIssuer<'_, KeyPair>,
    user: &str,
    group: Option<&str>,
) -> Result<Identity, Error> {
    issue(ca, user, group, vec![], ExtendedKeyUsagePurpose::ClientAuth)
}

fn server(
    ca: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    group: Option<&str>,
    addresses: Vec<String>,
) -> Result<Identity, Error> {
    issue(
        ca,
        name,
        group,
        addresses,
        ExtendedKeyUsagePurpose::ServerAuth,
    )
}

/// The names that Kubernetes has roles for, and CoreDNS.
fn node_clients(ca: &CertifiedIssuer<'_, KeyPair>) -> Result<Vec<(&'static str, Identity)>, Error> {
    let kubelet = format!("system:node:{}", node::NAME);
    Ok(vec![
        ("kubelet", client(ca, &kubelet, Some("system:nodes"))?),
        ("kube-proxy", client(ca, "system:kube-proxy", None)?),
        ("kube-scheduler", client(ca, "system:kube-scheduler", None)?),
        ("coredns", client(ca, COREDNS, None)?),
    ])
}

fn issue(
    ca: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    group: Option<&str>,
    addresses: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
) -> Result<Identity, Error> {
    let mut params = validity(CertificateParams::new(addresses)?);
    params.distinguished_name.push(DnType::CommonName, name);
    if let Some(group) = group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, ca)?;
    Ok(Identity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// From yesterday, for clocks that disagree, for a year, for clusters that are left running.
fn validity(mut params: CertificateParams) -> CertificateParams {
    let day = |timestamp: Timestamp| {
        let date = timestamp.to_zoned(TimeZone::UTC).date();
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    let now = Timestamp::now();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = day(now - 24.hours());
    params.not_after = day(now + (366 * 24).hours());
    params
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let pki = Pki::generate(&parent.path().join("pki"), None).unwrap();
        for key in [pki.ca_key(), pki.server_key(), pki.service_account_key()] {
            assert_eq!(
                key.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                key.display()
            );
        }
    }

    #[test]
    fn service_accounts_tokens_are_signed_with_rsa() {
        let parent = tempfile::tempdir().unwrap();
        let pki = Pki::generate(&parent.path().join("pki"), None).unwrap();
        let key = std::fs::read_to_string(pki.service_account_key()).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        assert_eq!(key.algorithm(), &PKCS_RSA_SHA256);
    }
}
