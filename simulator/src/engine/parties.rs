//! Applications and credentials, and the few texts that statuses are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use defender_tenant_operator::api::{
    DefenderApplicationStatus, DefenderTenantSpec, LastErrorStatus, credential_key, target_name,
};
use defender_tenant_operator::core::application::{Application, Version};
use defender_tenant_operator::core::attempt::seconds;
use defender_tenant_operator::core::credential::{Credential, Fingerprint, parse_data};
use defender_tenant_operator::core::gathered::Endpoints;
use defender_tenant_operator::defender::hosts;
use defender_tenant_operator::entra::clouds;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::tenant::uid;
use crate::clock::at_second;

/// A credential that can be used.
pub struct Known {
    pub credential: Credential,
    pub fingerprint: Fingerprint,
    pub text: Arc<str>,
}

/// An application and which of the credentials are its own.
pub struct App {
    pub application: Application,
    pub credentials: Vec<u16>,
    pub changed_at: Vec<Option<Timestamp>>,
    pub fingerprints: Vec<Fingerprint>,
}

pub struct Parties {
    pub spec: Arc<DefenderTenantSpec>,
    pub endpoints: Endpoints,
    pub roles: Vec<String>,
    pub target_name: String,
    apps: BTreeMap<u16, App>,
    known: Vec<Known>,
    errors: Vec<LastErrorStatus>,
    seed: u64,
}

fn json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value)
        .unwrap_or_else(|error| unreachable!("a spec that the CRD takes: {error}"))
}

impl Parties {
    pub fn new(
        seed: u64,
        apps: impl Iterator<Item = u16>,
        credentials: u16,
        min_remaining: i32,
    ) -> Self {
        let spec: DefenderTenantSpec = json(serde_json::json!({
            "tenantId": uid(seed, 0).to_string(),
            "applicationRef": {"name": "partner"},
            "requiredRoles": ["Alert.Read.All"],
            "refresh": {"minRemainingSeconds": min_remaining},
        }));
        let endpoints = Endpoints {
            login: clouds::login_host(spec.cloud),
            audience: hosts::audience(spec.cloud, spec.api),
            resource_id: hosts::resource_id(spec.api),
            api_url: hosts::global_url(spec.cloud, spec.api),
            has_front_door: true,
        };
        let mut parties = Self {
            target_name: target_name("one", &spec),
            spec: Arc::new(spec),
            endpoints,
            roles: vec!["Alert.Read.All".to_owned()],
            apps: BTreeMap::new(),
            known: Vec::new(),
            errors: Vec::new(),
            seed,
        };
        for app in apps {
            parties.add(app, credentials);
        }
        parties
    }

    fn add(&mut self, app: u16, credentials: u16) {
        let client = uid(!self.seed, u32::from(app)).to_string();
        let spec = json(
            serde_json::json!({"clientId": client, "credentials": [{"name": "a", "workloadIdentity": {}}]}),
        );
        let version = Version {
            uid: client,
            resource_version: "1".to_owned(),
            generation: 1,
            created_at: at_second(0),
            deleting: false,
        };
        let application = Application::new(
            "partner",
            version,
            spec,
            DefenderApplicationStatus::default(),
        )
        .unwrap_or_else(|| unreachable!("an application that the CRD takes"));
        self.apps.insert(
            app,
            App {
                application,
                credentials: Vec::new(),
                changed_at: Vec::new(),
                fingerprints: Vec::new(),
            },
        );
        for _ in 0..credentials {
            let new = self.secret(app);
            if let Some(app) = self.apps.get_mut(&app) {
                app.credentials.push(new.0);
                app.fingerprints.push(new.1);
                app.changed_at.push(None);
            }
        }
    }

    /// A new client secret for the application.
    fn secret(&mut self, app: u16) -> (u16, Fingerprint) {
        let number = u16::try_from(self.known.len()).unwrap_or(u16::MAX);
        let bytes = |text: String| Zeroizing::new(text.into_bytes());
        let client = self.application(app).client_id.to_string();
        let data = [
            (credential_key::CLIENT_ID.to_owned(), bytes(client)),
            (
                credential_key::CLIENT_SECRET.to_owned(),
                bytes(format!("made-up~{number}")),
            ),
        ];
        let credential = parse_data(&data.into())
            .unwrap_or_else(|_| unreachable!("a credential that is well-formed"));
        let fingerprint = credential.fingerprint(self.endpoints.login);
        self.known.push(Known {
            text: fingerprint.to_string().into(),
            fingerprint,
            credential,
        });
        (number, fingerprint)
    }

    /// The application's first credential is replaced now. Returns the old one.
    pub fn replace_first(&mut self, app: u16, now: Timestamp) -> Option<Fingerprint> {
        let (number, fingerprint) = self.secret(app);
        let app = self.apps.get_mut(&app)?;
        app.credentials[0] = number;
        app.changed_at[0] = Some(now);
        Some(std::mem::replace(&mut app.fingerprints[0], fingerprint))
    }

    pub fn app(&self, app: u16) -> &App {
        &self.apps[&app]
    }

    pub fn application(&self, app: u16) -> &Application {
        &self.app(app).application
    }

    pub fn credential(&self, number: u16) -> &Known {
        &self.known[usize::from(number)]
    }

    pub fn by_text(&self, text: &str) -> Option<u16> {
        let found = self.known.iter().position(|known| *known.text == *text)?;
        u16::try_from(found).ok()
    }

    /// The error of this number; 0 is none.
    pub fn error(&self, number: u8) -> Option<LastErrorStatus> {
        self.errors
            .get(usize::from(number).checked_sub(1)?)
            .cloned()
    }

    /// The number of an error, its instant and ids apart.
    pub fn number(&mut self, error: &LastErrorStatus) -> u8 {
        let same = |known: &LastErrorStatus| {
            (&known.reason, &known.scope, &known.code) == (&error.reason, &error.scope, &error.code)
        };
        let found = self.errors.iter().position(same).unwrap_or_else(|| {
            self.errors.push(LastErrorStatus {
                at: seconds(at_second(0)),
                ..error.clone()
            });
            self.errors.len() - 1
        });
        u8::try_from(found + 1).unwrap_or(u8::MAX)
    }
}
