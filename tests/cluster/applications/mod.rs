//! The partner's application: who may use it for whom, with which credential, and what its status says.

mod certificates;
mod consent;
mod crd;
mod credentials;
mod federated;
mod grants;
mod hostile;
mod identity;
mod privileges;
mod switch;
mod taken_back;
