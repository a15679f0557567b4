mod contested;
mod due;
mod hold;
mod probe;
mod rename;
mod suspend;
mod target;
mod withdrawn;
