/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "desk-week.h"

#include "desk-draw.h"
#include "desk-text.h"

#define HEIGHT 160
#define WIDTH 260
#define LABEL_HEIGHT 22.0
#define NUMBER_HEIGHT 18.0
#define BAR_SHARE 0.5
#define RADIUS 4.0

struct _DeskWeek
{
  GtkWidget parent_instance;

  DeskDay days[DESK_WEEK_DAYS];
  guint goal;
};

G_DEFINE_FINAL_TYPE (DeskWeek, desk_week, GTK_TYPE_WIDGET)

/* Where bars may be, and how many steps the full height means. */
typedef struct
{
  double column;
  double top;
  double height;
  guint most;
} Scale;

static guint
find_most (DeskWeek *self)
{
  guint most = MAX (1, self->goal);

  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    most = MAX (most, self->days[i].steps);
  return most;
}

static void
draw_text (cairo_t *cr, GtkWidget *widget, const char *text, double x, double y)
{
  g_autoptr (PangoLayout) layout = gtk_widget_create_pango_layout (widget, text);
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();
  int width, height;

  pango_attr_list_insert (attributes, pango_attr_scale_new (PANGO_SCALE_SMALL));
  pango_layout_set_attributes (layout, attributes);
  pango_layout_get_pixel_size (layout, &width, &height);
  cairo_move_to (cr, x - width / 2.0, y - height / 2.0);
  pango_cairo_show_layout (cr, layout);
}

/* A bar with round corners at its top. */
static void
draw_bar (cairo_t *cr, double x, double y, double width, double height)
{
  double radius = MIN (RADIUS, MIN (width, height) / 2);

  cairo_new_path (cr);
  cairo_arc (cr, x + radius, y + radius, radius, G_PI, -G_PI_2);
  cairo_arc (cr, x + width - radius, y + radius, radius, -G_PI_2, 0);
  cairo_line_to (cr, x + width, y + height);
  cairo_line_to (cr, x, y + height);
  cairo_close_path (cr);
  cairo_fill (cr);
}

static void
draw_day (DeskWeek *self, cairo_t *cr, const Scale *scale, int index)
{
  const DeskDay *day = &self->days[index];
  GtkWidget *widget = GTK_WIDGET (self);
  double middle = scale->column * (index + 0.5);
  double width = scale->column * BAR_SHARE;
  double height = scale->height * day->steps / scale->most;
  double y = scale->top + scale->height - height;

  desk_draw_set_color (cr, widget, DESK_COLOR_TEXT);
  if (day->label != NULL)
    draw_text (cr, widget, day->label, middle,
               scale->top + scale->height + LABEL_HEIGHT / 2);
  if (!day->known)
    return;
  if (day->steps > 0)
    {
      g_autofree char *number = desk_text_number (day->steps);

      draw_text (cr, widget, number, middle, y - NUMBER_HEIGHT / 2);
    }
  desk_draw_set_color (cr, widget,
                       self->goal > 0 && day->steps >= self->goal ? DESK_COLOR_SUCCESS
                                                                   : DESK_COLOR_ACCENT);
  draw_bar (cr, middle - width / 2, y, width, height);
}

static void
draw_goal (DeskWeek *self, cairo_t *cr, const Scale *scale, double width)
{
  const double dashes[] = { 4, 4 };
  double y = scale->top + scale->height - scale->height * self->goal / scale->most;

  desk_draw_set_color (cr, GTK_WIDGET (self), DESK_COLOR_TRACK);
  cairo_set_line_width (cr, 1);
  cairo_set_dash (cr, dashes, G_N_ELEMENTS (dashes), 0);
  cairo_move_to (cr, 0, y);
  cairo_line_to (cr, width, y);
  cairo_stroke (cr);
}

static void
desk_week_snapshot (GtkWidget *widget, GtkSnapshot *snapshot)
{
  DeskWeek *self = DESK_WEEK (widget);
  int width = gtk_widget_get_width (widget), height = gtk_widget_get_height (widget);
  Scale scale = { .column = width / (double) DESK_WEEK_DAYS,
                  .top = NUMBER_HEIGHT,
                  .height = height - NUMBER_HEIGHT - LABEL_HEIGHT,
                  .most = find_most (self) };
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &GRAPHENE_RECT_INIT (0, 0, width, height));

  if (self->goal > 0)
    draw_goal (self, cr, &scale, width);
  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    draw_day (self, cr, &scale, i);
  cairo_destroy (cr);
}

static void
desk_week_measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum,
                   int *natural, int *minimum_baseline, int *natural_baseline)
{
  *minimum = *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? WIDTH : HEIGHT;
}

/* What the bars show, in words. */
static void
describe (DeskWeek *self)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    {
      const DeskDay *day = &self->days[i];
      g_autofree char *number = desk_text_number (day->steps);

      if (day->date == NULL)
        continue;
      g_string_append_printf (text, "%s%s: %s", text->len > 0 ? ", " : "", day->date,
                              day->known ? number : "nothing counted");
    }
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_DESCRIPTION,
                                  text->str, -1);
}

static void
clear (DeskWeek *self)
{
  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    {
      g_free (self->days[i].label);
      g_free (self->days[i].date);
      self->days[i] = (DeskDay){ 0 };
    }
}

void
desk_week_set_days (DeskWeek *self, const DeskDay days[DESK_WEEK_DAYS], guint goal)
{
  clear (self);
  for (int i = 0; i < DESK_WEEK_DAYS; i++)
    {
      self->days[i] = days[i];
      self->days[i].label = g_strdup (days[i].label);
      self->days[i].date = g_strdup (days[i].date);
    }
  self->goal = goal;
  describe (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
desk_week_set_today (DeskWeek *self, guint steps)
{
  DeskDay *today = &self->days[DESK_WEEK_DAYS - 1];

  if (today->steps == steps && today->known)
    return;
  today->steps = steps;
  today->known = TRUE;
  describe (self);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void
desk_week_finalize (GObject *object)
{
  clear (DESK_WEEK (object));
  G_OBJECT_CLASS (desk_week_parent_class)->finalize (object);
}

static void
desk_week_class_init (DeskWeekClass *klass)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = desk_week_finalize;
  widget_class->snapshot = desk_week_snapshot;
  widget_class->measure = desk_week_measure;
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
desk_week_init (DeskWeek *self)
{
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  "Steps of the last seven days", -1);
}

GtkWidget *
desk_week_new (void)
{
  return g_object_new (DESK_TYPE_WEEK, NULL);
}
