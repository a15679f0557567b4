use super::*;
use crate::core::gathered::Obstacle;
use crate::core::plan::Step;
use crate::core::testing::{CLIENT, CONSENT_URL, Lead, Microsoft, World, at, roles};

#[test]
fn the_status_of_a_published_token_is_exactly_this() {
    let mut world = World::new();
    world.spec(|spec| spec.required_roles = roles(&["Machine.Isolate", "Alert.Read.All"]));
    world.microsoft = Microsoft::Token(roles(&["Alert.ReadWrite.All", "Score.Read.All"]));
    assert_eq!(world.reconcile(at(0)).0.last(), Some(&Step::Publish));
    let status = &world.tenant.status;
    let seconds = |second| seconds(at(second));
    assert_eq!(
        status.token,
        Some(TokenStatus {
            issued_at: seconds(0),
            expires_at: seconds(3_600),
            refresh_at: seconds(2_400),
            roles: roles(&["Alert.ReadWrite.All", "Score.Read.All"]),
            missing_roles: roles(&["Machine.Isolate"]),
            surplus_roles: roles(&["Score.Read.All"]),
            audience: "https://api.securitycenter.microsoft.com".into(),
            application_id: CLIENT.into(),
        })
    );
    let target = TargetStatus {
        name: "contoso-defender-token".into(),
        resource_version: Some("7".into()),
    };
    assert_eq!(
        (&status.target, status.observed_generation),
        (&Some(target), Some(1))
    );
    assert_eq!(status.consent_url.as_deref(), Some(CONSENT_URL));
    // Gone with the token, and the link stays where no credential makes one.
    world.lead = Lead::Missing(Obstacle::NotFound);
    let later = compose(&world.g(), || None, at(3_600));
    assert_eq!(later.token, None);
    assert_eq!(later.consent_url.as_deref(), Some(CONSENT_URL));
}
